"""The channel that brought a visit, by its campaign and referrer."""

from __future__ import annotations

from tests.independent.visits_events import Row

UTM = ("source", "medium", "campaign")


MEDIA = {
    "paid search": ["cpc", "ppc", "sem", "paid", "paidsearch", "paid_search", "paid search"],
    "email": ["email", "e-mail", "mail", "newsletter"],
    "social": ["social", "social-network", "social-media", "paid_social", "paidsocial", "sm"],
    "display": ["display", "banner", "cpm"],
    "affiliate": ["affiliate", "affiliates"],
    "organic search": ["organic"],
    "referral": ["referral"],
}
ENGINES = ["google", "bing", "duckduckgo", "yahoo", "ecosia", "qwant", "startpage", "baidu", "yandex"]
NETWORKS = [
    f"{name}.com"
    for name in ["facebook", "instagram", "twitter", "x", "linkedin", "pinterest", "tiktok", "youtube", "reddit"]
]
NETWORKS += ["t.co"]


def channel_of(session: Row) -> str:
    medium = session["utm_medium"]
    for channel, media in MEDIA.items():
        if medium and medium.lower() in media:
            return channel
    if any(session[f"utm_{x}"] for x in UTM):
        return "other campaign"
    host, own = _host(session["referrer"]), _host(session["entry_page_url"])
    if host in ("", own):
        return "direct"
    labels = host.split(".")
    if any(label in ENGINES for label in labels[:-1]):
        return "organic search"
    return "social" if ".".join(labels[-2:]) in NETWORKS else "referral"


def _host(url: str | None) -> str:
    page = (url or "").lower()
    page = page.split("://", 1)[1] if "://" in page else page
    return page.split("/")[0].removeprefix("www.")
