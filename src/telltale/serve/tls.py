"""Certificates: the user's own, or one this machine signs itself. Knows nothing of servers.

A self-signed certificate (X.509 v3, RFC 5280; names in subjectAltName, RFC 6125) proves nothing to a stranger: the
user compares its fingerprint once. It is kept, so that the fingerprint stays the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from telltale.errors import MissingPartError, ServeError

if TYPE_CHECKING:
    from cryptography import x509

DAYS = 397
"""Browsers refuse certificates that are valid for longer than 398 days."""

RENEW_DAYS = 14

CERTIFICATE, KEY = "self-signed.crt", "self-signed.key"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, and the certificate's SHA-256 as colon-separated hex."""

    certificate: Path
    key: Path
    fingerprint: str


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/telltale`, or ~/.cache/telltale."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telltale"


def given(certificate: Path, key: Path) -> Tls:
    """The user's own files. Raises ServeError when they cannot be read or do not belong together."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password="")
        return Tls(certificate, key, _fingerprint(certificate))
    except (OSError, ValueError, UnicodeDecodeError) as cause:
        raise ServeError(
            f"{certificate} and {key}",
            expected="a PEM certificate and its unencrypted key",
            got=str(cause),
            next="check both files, or use --self-signed",
        ) from cause


def self_signed(host: str = "127.0.0.1", folder: Path | None = None) -> Tls:
    """A certificate for localhost, 127.0.0.1, ::1, this machine's name and `host`; made when none fits yet.

    folder: where it is kept (the key readable by its owner only); None: `cache_folder()`.
    Raises ServeError when the folder cannot be written, MissingPartError without the cryptography package.
    """
    folder = folder or cache_folder()
    names = _names(host)
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        if not _fits(certificate, key, names):
            _make(folder, names)
        return Tls(certificate, key, _fingerprint(certificate))
    except OSError as cause:
        raise ServeError(
            str(folder), expected="a folder to keep the certificate in", got=str(cause), next="give another folder"
        ) from cause


def _names(host: str) -> list[str]:
    """Without wildcards and what only means `every address`."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname(), host.strip("[]")]
    if host in ("0.0.0.0", "::", ""):
        with contextlib.suppress(OSError):
            names += [str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)]
    return sorted({name for name in names if name and name not in ("0.0.0.0", "::") and name.isascii()})


def _fingerprint(certificate: Path) -> str:
    der = ssl.PEM_cert_to_DER_cert(_first_pem(certificate.read_text(encoding="ascii")))
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def _first_pem(text: str) -> str:
    """A chain's first certificate is the server's own (RFC 8446, 4.4.2)."""
    start, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    return text[start : end + len(ssl.PEM_FOOTER)] if 0 <= start < end else text


def _fits(certificate: Path, key: Path, names: Iterable[str]) -> bool:
    """Whether the kept certificate is whole, lasts a while yet and covers the names."""
    from cryptography import x509

    if not (certificate.is_file() and key.is_file()):
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        kept = x509.load_pem_x509_certificate(certificate.read_bytes())
        alternatives = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ssl.SSLError, ValueError, x509.ExtensionNotFound):
        return False
    covered = set(alternatives.get_values_for_type(x509.DNSName))
    covered |= {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    return set(names) <= covered and kept.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def _make(folder: Path, names: list[str]) -> None:
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as cause:
        raise MissingPartError(
            "self-signed certificates", expected="cryptography", next="pip install 'telltale-vision[serve]'"
        ) from cause

    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "telltale self-signed")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / KEY, key)
    _write(folder / CERTIFICATE, built.public_bytes(serialization.Encoding.PEM))


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes) -> None:
    """Readable by its owner only, from the first byte on; whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(data)
    draft.replace(path)
