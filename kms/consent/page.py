"""The receipt for people: one HTML page, nothing from elsewhere, no scripts. The same facts give the same page."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from kms.consent.model import ArtifactKind, Consent, ConsentState, Receipt
from kms.consent.terms import dpv_iri, label

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:1.05rem/1.6 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
body{color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.3}h2{font-size:1.2rem;margin-top:2rem}
dt{font-weight:600;margin-top:.6rem}dd{margin:0}
.state{border:2px solid #1a1a1a;padding:.6rem 1rem;font-weight:600}
code{font:.85rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
@media (prefers-color-scheme:dark){body{color:#eee;background:#151515}.state{border-color:#eee}}
@media print{body{margin:0;max-width:none;color:#000;background:#fff}.state{border-color:#000}h2{break-after:avoid}}
"""
_KINDS: Final[Mapping[ArtifactKind, str]] = {
    ArtifactKind.MODEL_WEIGHTS: "a model",
    ArtifactKind.LORA_ADAPTER: "an adapter of a model (LoRA)",
    ArtifactKind.TOKENIZER: "a tokenizer",
    ArtifactKind.CREDENTIAL: "a credential",
    ArtifactKind.BIOMETRIC_TEMPLATE: "a biometric template",
    ArtifactKind.INFERENCE_CACHE: "a cache of inferences",
    ArtifactKind.SAFETY_MODEL: "a safety model",
    ArtifactKind.OTHER: "other data",
}
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def receipt_page(consent: Consent, receipt: Receipt, state: ConsentState) -> str:
    """`state`: of now; the receipt is of the time when it was issued."""
    body = "\n".join(
        (
            "<h1>Consent receipt</h1>",
            f'<p class="state">{_state(consent, state)}</p>',
            _section("Who may do what", _who(consent)),
            _section("Until when", _until(consent)),
            _section("How to take it back", _how(consent)),
            _section("What happens then", _then(consent)),
            _section("How to check this receipt", _check(consent, receipt)),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Consent receipt: {escape(consent.controller)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def span_words(span: timedelta) -> str:
    """In the two largest units: 1 day 6 hours."""
    rest, words = span // timedelta(seconds=1), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words[:2]) or "no time"


def _state(consent: Consent, state: ConsentState) -> str:
    match state:
        case ConsentState.GIVEN | ConsentState.RENEWED:
            return f"This consent holds until {_moment(consent.expire_time)}, unless you take it back."
        case ConsentState.WITHDRAWN:
            return f"You took this consent back on {_moment(consent.end_time)}. It can not be used any more."
        case ConsentState.REVOKED:
            return f"This consent was revoked on {_moment(consent.end_time)}. It can not be used any more."
        case ConsentState.EXPIRED:
            return f"This consent ended on {_moment(consent.expire_time)}. It can not be used any more."


def _who(consent: Consent) -> str:
    devices = f"{len(consent.devices)} named below" if consent.devices else "none yet; they are added when they ask"
    return _facts(
        {
            "Who decides about the processing": escape(consent.controller),
            "What for": _list(_term(each) for each in consent.purposes),
            "Legal basis": _term(consent.lawful_basis),
            "What devices may hold": _list(
                f"{_KINDS[each.kind]}: <code>{escape(each.name.digest)}</code>" for each in consent.artifacts
            ),
            "Which devices": devices + _list(f"<code>{escape(each.id)}</code>" for each in consent.devices),
            "Where the data are": _list(escape(each) for each in consent.storage_locations) or "not stated",
        }
    )


def _until(consent: Consent) -> str:
    return (
        f"<p>Given on {_moment(consent.create_time)}. It ends by itself on <strong>{_moment(consent.expire_time)}"
        "</strong>, without anybody having to do anything. It can be renewed before that day, and each renewal gives "
        "you a new receipt.</p>"
    )


def _how(consent: Consent) -> str:
    way = escape(consent.withdrawal_method) or f"Ask {escape(consent.controller)}"
    return (
        f"<p>{way}.</p>\n<p>You need not say why, and you may do it at any time. Quote this number:</p>\n"
        f"<p><code>{escape(str(consent.name))}</code></p>"
    )


def _then(consent: Consent) -> str:
    terms = consent.terms
    offline = (
        f"A device that can not be reached stops by itself: what it may hold is only lent to it, for "
        f"{span_words(terms.duration)} at a time"
        + (f" and {span_words(terms.offline_grace)} more when it is offline" if terms.offline_grace else "")
        + "."
    )
    promised = span_words(consent.removal_time)
    return (
        f"<p>Within <strong>{promised}</strong> of your withdrawal nothing is usable any more on any device. Every "
        f"device that held something is told to destroy its key and to prove that it did. {offline} A withdrawal "
        "is for ever: using your data again takes a new consent.</p>\n<p>No technology can undo what was done, or "
        "copied out by a person, while you allowed it.</p>"
    )


def _check(consent: Consent, receipt: Receipt) -> str:
    return _facts(
        {
            "You, as this controller's records know you": f"<code>{escape(consent.pii_principal_id)}</code>",
            "SHA-256 of the signed receipt": f"<code>{hashlib.sha256(receipt.payload).hexdigest()}</code>",
            "Signed by": f"<code>{escape(receipt.signature.key_version)}</code>",
            "Signed at": _moment(receipt.signature.sign_time),
        }
    )


def _term(term: str) -> str:
    return f"{escape(label(term))} (<code>{escape(dpv_iri(term))}</code>)"


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>"


def _facts(facts: Mapping[str, str]) -> str:
    return "<dl>\n" + "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "\n</dl>"


def _list(items: Iterable[str]) -> str:
    shown = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{shown}</ul>" if shown else ""


def _moment(value: datetime | None) -> str:
    assert value is not None
    stamp = value.astimezone(UTC)
    return f'<time datetime="{stamp:%Y-%m-%dT%H:%M:%SZ}">{stamp.day} {stamp:%B %Y, %H:%M} UTC</time>'
