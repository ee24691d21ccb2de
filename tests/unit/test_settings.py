"""Settings: defaults, the environment, and clear errors."""

import pytest

from cxa_pipeline.errors import SettingsError
from cxa_pipeline.settings import Settings, describe, load_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CXA_{name.upper()}", raising=False)


def test_everything_lies_below_the_home_by_default():
    settings = load_settings()
    assert settings.landing_folder.parts[-2:] == ("data", "landing")
    assert settings.lake_folder.parts[-2:] == ("data", "lake")


def test_a_line_of_dotenv_is_a_setting_and_the_environment_wins(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("CXA_HOME=from_file\nCXA_CURRENCY=EUR\n")
    monkeypatch.setenv("CXA_HOME", "from_environment")
    settings = load_settings()
    assert str(settings.home) == "from_environment"
    assert settings.currency == "EUR"


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEZONE", "Mars/Olympus"), ("MAX_BAD_SHARE", "7"), ("AS_OF", "yesterday"), ("ENGINE", "abacus")],
)
def test_a_malformed_setting_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"CXA_{name}", value)
    with pytest.raises(SettingsError, match="not valid") as caught:
        load_settings()
    assert f"CXA_{name}" in str(caught.value)


def test_secrets_are_never_shown(monkeypatch):
    monkeypatch.setenv("CXA_POSTGRES_URL", "postgresql://me:hush@db/shop")
    settings = load_settings()
    assert "hush" not in repr(settings) + str(describe(settings))
    shown = {name: (value, origin) for name, value, origin, _ in describe(settings)}
    assert shown["CXA_POSTGRES_URL"] == ("********", "set")


def test_every_setting_says_what_it_means():
    assert all(meaning.endswith(".") for *_, meaning in describe(load_settings()))
