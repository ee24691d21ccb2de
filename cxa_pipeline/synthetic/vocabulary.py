"""The words of the synthetic shop: people, places, and what it sells. Numbers that say how often stand in `config`."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """A city, its ISO 3166-1 country and its share of the customers."""

    name: str
    country_code: str
    weight: float


PLACES: tuple[Place, ...] = (
    Place("Berlin", "DE", 17.0),
    Place("Hamburg", "DE", 12.0),
    Place("München", "DE", 11.0),
    Place("Köln", "DE", 8.0),
    Place("Frankfurt am Main", "DE", 7.0),
    Place("Leipzig", "DE", 6.0),
    Place("Stuttgart", "DE", 6.0),
    Place("Bremen", "DE", 4.0),
    Place("Wien", "AT", 8.0),
    Place("Graz", "AT", 3.0),
    Place("Zürich", "CH", 5.0),
    Place("Basel", "CH", 2.5),
    Place("Amsterdam", "NL", 4.5),
    Place("Strasbourg", "FR", 3.0),
    Place("København", "DK", 3.0),
)

#: store_id, name, position in PLACES, channel
STORES: tuple[tuple[str, str, int, str], ...] = (
    ("S01", "Berlin Hackescher Markt", 0, "store"),
    ("S02", "Hamburg Ottensen", 1, "store"),
    ("S03", "München Glockenbach", 2, "store"),
    ("S04", "Köln Ehrenfeld", 3, "store"),
    ("S05", "Wien Neubau", 8, "store"),
    ("S06", "Marketplace", 0, "marketplace"),
)
MARKETPLACE = 5

FEMALE_NAMES: tuple[str, ...] = (
    "Anna", "Lena", "Julia", "Katharina", "Sophie", "Marie", "Laura", "Sarah", "Lisa", "Johanna", "Clara", "Emma",
    "Nina", "Eva", "Paula", "Helena", "Miriam", "Birgit", "Sabine", "Petra", "Monika", "Ulrike", "Claudia", "Aylin",
    "Zeynep", "Olga", "Ingrid", "Freja", "Sanne", "Amélie", "Camille", "Giulia", "Elif", "Franziska", "Theresa",
    "Verena",
)  # fmt: skip
MALE_NAMES: tuple[str, ...] = (
    "Lukas", "Jonas", "Felix", "Maximilian", "Paul", "Leon", "Tim", "Jan", "Florian", "Sebastian", "Tobias", "Daniel",
    "Michael", "Stefan", "Thomas", "Andreas", "Markus", "Jürgen", "Klaus", "Wolfgang", "Matthias", "Emre", "Mehmet",
    "Sergej", "Mikkel", "Daan", "Pierre", "Luca", "Marco", "Anton", "Jakob", "Moritz", "Simon", "Philipp", "David",
    "Oskar",
)  # fmt: skip
LAST_NAMES: tuple[str, ...] = (
    "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Koch",
    "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann", "Schwarz", "Zimmermann", "Braun", "Krüger", "Hartmann",
    "Lange", "Werner", "Krause", "Lehmann", "Köhler", "Maier", "Huber", "Kaiser", "Fuchs", "Lang", "Scholz", "Möller",
    "Weiß", "Jung", "Hahn", "Vogel", "Friedrich", "Keller", "Günther", "Frank", "Berger", "Winkler", "Roth", "Beck",
    "Lorenz", "Baumann", "Franke", "Albrecht", "Gruber", "Steiner", "Moser", "Egger", "Brunner", "Meier", "Frei",
    "Yılmaz", "Kaya", "Demir", "Ivanova", "Novak", "Kowalski", "de Vries", "Jansen", "Bakker", "Visser", "Nielsen",
    "Hansen", "Sørensen", "Martin", "Bernard", "Dubois", "Rossi", "Ferrari", "Nguyen",
)  # fmt: skip
MAIL_DOMAINS: tuple[str, ...] = ("example.com", "example.org", "example.net")

#: Letters of the names above that an e-mail address spells otherwise.
ASCII: dict[str, str] = {
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "é": "e", "ø": "oe", "ı": "i", " ": "", "å": "aa",
}  # fmt: skip

SERIES: tuple[str, ...] = (
    "Alma", "Nordlys", "Fjord", "Linde", "Havn", "Solis", "Terra", "Mori", "Vela", "Ostsee", "Kiefer", "Luma",
    "Casa", "Bora", "Elbe", "Papaya", "Tilda", "Nomad", "Oda", "Rive", "Sila", "Juno", "Arvo", "Hygge",
)  # fmt: skip


class Shelf(NamedTuple):
    """A sub-category: what is on it, of what, and the usual price span."""

    category: str
    name: str
    nouns: tuple[str, ...]
    materials: tuple[str, ...]
    low: float
    high: float


SHELVES: tuple[Shelf, ...] = (
    Shelf("Kitchen", "Tableware", ("Mug", "Dinner Plate", "Bowl", "Jug"), ("Stoneware", "Porcelain", "Glass"), 6, 38),
    Shelf("Kitchen", "Cookware", ("Pan", "Casserole", "Saucepan"), ("Cast Iron", "Steel", "Ceramic"), 24, 140),
    Shelf("Kitchen", "Coffee & Tea", ("Teapot", "Cafetière", "Dripper", "Tin"), ("Enamel", "Glass", "Copper"), 9, 75),
    Shelf("Kitchen", "Baking", ("Cake Tin", "Loaf Tin", "Mixing Bowl"), ("Enamel", "Steel", "Silicone"), 7, 42),
    Shelf("Home", "Textiles", ("Cushion", "Throw", "Curtain", "Rug"), ("Linen", "Wool", "Cotton"), 18, 160),
    Shelf("Home", "Lighting", ("Table Lamp", "Pendant Lamp", "Floor Lamp"), ("Brass", "Paper", "Oak"), 29, 220),
    Shelf("Home", "Candles & Scents", ("Candle", "Diffuser", "Tealight Set"), ("Beeswax", "Cedar", "Fig"), 5, 36),
    Shelf("Home", "Storage", ("Basket", "Box", "Tray"), ("Seagrass", "Felt", "Bamboo"), 6, 58),
    Shelf("Clothing", "Women", ("Cardigan", "Dress", "Blouse", "Scarf"), ("Merino", "Linen", "Viscose"), 24, 130),
    Shelf("Clothing", "Men", ("Shirt", "Pullover", "Beanie", "Overshirt"), ("Cotton", "Merino", "Flannel"), 22, 120),
    Shelf("Clothing", "Socks & Home Wear", ("Socks", "Slippers", "Dressing Gown"), ("Alpaca", "Cotton", "Wool"), 8, 65),
    Shelf("Clothing", "Bags", ("Tote", "Backpack", "Pouch"), ("Canvas", "Leather", "Recycled"), 14, 150),
    Shelf("Garden", "Pots & Planters", ("Pot", "Planter", "Saucer"), ("Terracotta", "Zinc", "Concrete"), 4, 70),
    Shelf("Garden", "Tools", ("Trowel", "Secateurs", "Watering Can"), ("Copper", "Steel", "Zinc"), 9, 55),
    Shelf("Garden", "Outdoor Living", ("Lantern", "Bench", "Side Table"), ("Teak", "Iron", "Rattan"), 19, 240),
    Shelf("Garden", "Seeds & Bulbs", ("Herb Kit", "Bulb Mix", "Seed Box"), ("Kitchen", "Meadow", "Balcony"), 3, 24),
    Shelf("Gourmet", "Coffee", ("Espresso", "Filter Coffee", "Coffee Beans"), ("Ethiopia", "Peru", "Decaf"), 7, 19),
    Shelf("Gourmet", "Tea", ("Loose Tea", "Tea Bags", "Tea Tin"), ("Darjeeling", "Sencha", "Alpine Herb"), 4, 17),
    Shelf("Gourmet", "Pantry", ("Olive Oil", "Honey", "Pasta", "Sea Salt"), ("Organic", "Tuscan", "Reserve"), 4, 26),
    Shelf("Gourmet", "Chocolate", ("Chocolate Bar", "Truffles", "Cocoa"), ("Dark", "Hazelnut", "Milk"), 3, 22),
    Shelf("Stationery", "Notebooks", ("Notebook", "Planner", "Sketchbook"), ("Dotted", "Ruled", "Leather"), 6, 39),
    Shelf("Stationery", "Writing", ("Fountain Pen", "Pencil Set", "Rollerball"), ("Brass", "Cedar", "Resin"), 4, 85),
    Shelf("Stationery", "Cards & Paper", ("Card Set", "Gift Paper", "Envelopes"), ("Botanic", "Kraft", "Foil"), 3, 16),
    Shelf("Stationery", "Desk", ("Desk Pad", "Pen Pot", "Paper Tray"), ("Cork", "Felt", "Walnut"), 8, 60),
    Shelf("Kids", "Wooden Toys", ("Train", "Blocks", "Puzzle", "Stacker"), ("Beech", "Painted", "Maple"), 9, 68),
    Shelf("Kids", "Plush", ("Bear", "Rabbit", "Fox"), ("Organic", "Knitted", "Velvet"), 12, 46),
    Shelf("Kids", "Books", ("Picture Book", "Activity Book", "Atlas"), ("Forest", "Sea", "City"), 7, 25),
    Shelf("Kids", "Baby", ("Blanket", "Bib", "Romper"), ("Muslin", "Merino", "Cotton"), 8, 59),
    Shelf("Wellness", "Bath", ("Bath Salt", "Soap", "Bath Oil"), ("Olive", "Lavender", "Rosemary"), 4, 32),
    Shelf("Wellness", "Skin Care", ("Hand Cream", "Face Oil", "Balm"), ("Calendula", "Rose", "Almond"), 6, 44),
    Shelf("Wellness", "Yoga", ("Mat", "Block", "Strap"), ("Cork", "Jute", "Rubber"), 9, 98),
    Shelf("Wellness", "Sleep", ("Pillow", "Eye Mask", "Duvet"), ("Silk", "Bamboo", "Wool"), 14, 190),
)  # fmt: skip

CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(shelf.category for shelf in SHELVES))

#: Share of picks by category (rows) and month; a row is scaled by its category's share of all picks.
CATEGORY_SHARES: tuple[float, ...] = (0.18, 0.18, 0.14, 0.10, 0.13, 0.09, 0.09, 0.09)
CATEGORY_SEASONS: tuple[tuple[float, ...], ...] = (
    (1.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 1.0, 1.1, 1.2, 1.3),
    (1.1, 1.0, 1.0, 0.9, 0.8, 0.8, 0.8, 0.9, 1.1, 1.2, 1.3, 1.3),
    (1.2, 1.1, 1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 1.1, 1.2, 1.1, 1.0),
    (0.3, 0.6, 1.6, 2.2, 2.2, 1.8, 1.2, 0.9, 0.7, 0.4, 0.2, 0.2),
    (0.9, 0.9, 0.9, 1.0, 0.9, 0.8, 0.8, 0.8, 0.9, 1.1, 1.3, 1.7),
    (1.2, 0.9, 0.9, 0.9, 0.8, 0.8, 0.9, 1.3, 1.1, 0.9, 1.2, 1.4),
    (0.8, 0.8, 0.9, 1.0, 0.9, 0.9, 0.9, 0.9, 1.0, 1.0, 1.3, 1.6),
    (1.4, 1.2, 1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.9, 1.0, 1.0, 1.1),
)
COLORS: tuple[str, ...] = ("Natural", "Sand", "Sage", "Ink", "Terracotta", "Charcoal", "White", "Mustard")
SIZES: tuple[str, ...] = ("XS", "S", "M", "L", "XL")

DEVICE_TYPES: tuple[str, ...] = ("desktop", "mobile", "tablet")
#: operating system and browser for each device type, with weights
SYSTEMS: tuple[tuple[tuple[str, str, float], ...], ...] = (
    (("Windows", "Chrome", 5), ("Windows", "Edge", 2), ("Windows", "Firefox", 2), ("macOS", "Safari", 4)),
    (("iOS", "Safari", 5), ("Android", "Chrome", 6), ("Android", "Samsung Internet", 1)),
    (("iPadOS", "Safari", 5), ("Android", "Chrome", 2)),
)  # fmt: skip
LANGUAGES: dict[str, str] = {"DE": "de-DE", "AT": "de-AT", "CH": "de-CH", "NL": "nl-NL", "FR": "fr-FR", "DK": "da-DK"}

#: referrer, utm_source, utm_medium, weight; the campaign is added where the medium is paid or mailed
CHANNELS: tuple[tuple[str | None, str | None, str | None, float], ...] = (
    (None, None, None, 34.0),
    ("https://www.google.com/", None, None, 30.0),
    ("https://www.google.com/", "google", "cpc", 13.0),
    (None, "newsletter", "email", 11.0),
    ("https://www.instagram.com/", "instagram", "social", 8.0),
    ("https://www.schoener-schenken.example/", None, None, 4.0),
)

EVENT_TYPES: tuple[str, ...] = (
    "visit", "search", "view", "wishlist", "cart", "remove_from_cart", "checkout", "purchase",
)  # fmt: skip
