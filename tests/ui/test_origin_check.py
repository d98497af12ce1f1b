"""Which host names and origins are trusted, by the settings."""

from __future__ import annotations

import pytest

from sr_demo.errors import BadInput, quoted
from sr_demo.settings import Settings, from_environment
from sr_demo.ui.origin_check import trusted_origins


def test_a_local_server_trusts_loopback_names_only() -> None:
    trust = trusted_origins(Settings())
    assert all(trust.host(name) for name in ("127.0.0.1", "127.0.0.1:7860", "localhost:1", "LOCALHOST.", "[::1]:7860"))
    assert not any(
        trust.host(name) for name in ("", "10.0.0.1", "machine", "evil.example", "a b", "localhost:x", "[::1", "*")
    )


def test_a_name_to_listen_on_is_one_to_answer_to() -> None:
    assert trusted_origins(Settings(host="Demo.lab.org")).host("demo.lab.org:7860")
    assert not trusted_origins(Settings(host="demo.lab.org")).host("machine")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]"])
def test_on_every_address_numbers_and_names_without_a_dot_are_trusted(host: str) -> None:
    trust = trusted_origins(Settings(host=host))
    assert all(trust.host(name) for name in ("10.0.0.1:80", "[2001:db8::1]", "nas", "sr-demo:7860"))
    assert not any(trust.host(name) for name in ("evil.example", "1.2.3.4.evil.example", "10.0.0.1.nip.io"))


def test_variables_name_hosts_with_wildcards() -> None:
    settings = from_environment({"SR_DEMO_HOSTS": " SR.example.org, *.lab.org ,[2001:db8::1],"})
    assert settings.hosts == settings.origins == ("sr.example.org", "*.lab.org", "2001:db8::1")
    trust = trusted_origins(settings)
    assert trust.host("sr.example.org:443") and trust.host("a.b.lab.org") and trust.host("[2001:db8::1]:7860")
    assert not trust.host("lab.org") and not trust.host("evillab.org") and not trust.host("x.sr.example.org")
    assert trust.origin("https://a.lab.org", "127.0.0.1:7860") and not trust.origin("https://evil.example", "127.0.0.1")
    anyone = trusted_origins(from_environment({"SR_DEMO_HOSTS": "*"}))
    assert anyone.host("evil.example") and anyone.origin("https://evil.example", "127.0.0.1")


@pytest.mark.parametrize("text", ["https://sr.example.org", "sr.example.org:443", "a b", "*.*", "x/" + "y" * 5000])
def test_settings_that_are_not_host_names_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="SR_DEMO_HOSTS must be host names without scheme or port") as caught:
        from_environment({"SR_DEMO_HOSTS": text})
    assert len(str(caught.value)) < 300


def test_a_space_trusts_itself_and_the_hub_but_no_other_space() -> None:
    trust = trusted_origins(from_environment({"SPACE_ID": "me/demo", "SPACE_HOST": "me-demo.hf.space"}))
    assert trust.host("me-demo.hf.space") and trust.host("10.1.2.3:7860")
    assert trust.origin("https://me-demo.hf.space", "10.1.2.3:7860") and trust.origin("https://huggingface.co", "x")
    assert not trust.origin("https://evil.hf.space", "me-demo.hf.space")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860", True),
        ("https://sr.org", "sr.org", True),
        ("https://sr.org", "sr.org:443", True),
        ("http://127.0.0.1:7860", "127.0.0.1:7861", False),
        ("https://sr.org:8443", "sr.org", False),
        ("null", "127.0.0.1", False),
        ("file://", "", False),
        ("http://[::1", "127.0.0.1", False),
        ("http://a:99999999", "a", False),
    ],
)
def test_the_same_origin_is_the_same_name_and_port(origin: str, host: str, same: bool) -> None:
    assert trusted_origins(Settings()).origin(origin, host) == same


def test_error_messages_quote_only_the_beginning_of_what_was_sent() -> None:
    assert quoted("rdn") == "'rdn'" and quoted(3) == "'3'"
    assert len(quoted("x" * 100_000)) == 62 and len(quoted(10**5000)) < 62
