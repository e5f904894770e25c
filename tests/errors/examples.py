"""An example of every error; two or more where its sentences branch. What they say is in docs/errors.md."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.errors import (
    AgentError,
    ProbeFailed,
    SourceError,
    account,
    acme,
    api,
    auth,
    chain,
    crl,
    deploy,
    http01,
    limits,
    name,
    operations,
    order,
    pins,
    plugin,
    preflight,
    renewal,
    root,
    served,
    settings,
    source,
    store,
    upload,
    usage,
    validation,
)
from plugins.webui import errors as webui

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
LE, CA = "Let's Encrypt", "ca.example"
ID = "c" * 64
WWW, SHOP, GW = "www.example.com", "shop.example.com", "gw.example.com"
ACCOUNT = "https://ca.example/acct/7"
HOST = "acme-v02.api.letsencrypt.org"
TRUST = "/etc/chainwright/ca.pem"
NO_ISSUER = "unable to get local issuer certificate"
WEBROOT = Path("/var/lib/chainwright/http-01")
PLACE = "127.0.0.1:8443"
ENDPOINT = f"{PLACE} (gw.example.test)"
START_NGINX = "systemctl status nginx, then systemctl start nginx"
LEAF, OTHER, FIRST, SECOND = (digit * 64 for digit in "1234")
OUTPUT = "nginx: [emerg] unknown directive\nnginx: configuration file test failed\n"
WHO = ("mail", "chainwright-mail 1.2")
PRIVATE = "/var/lib/chainwright/private"
DATABASE = f"{PRIVATE}/chainwright.db"
MAIN = "/etc/chainwright/chainwright.toml"
PORT = settings.SettingsProblem(MAIN, "modules.mail", "port", "must be at most 65535")
FILE = settings.SettingsProblem("/etc/chainwright/conf.d/a.toml", "", "", "line 3, column 5: expected '=' after a key")
TIMEOUT = validation.NameFailure(
    WWW, "connection", f"192.0.2.1: Fetching http://{WWW}/.well-known/acme-challenge/t: Timeout during connect."
)
LIVE = Path("/var/lib/chainwright/modules/webui/live")
SEVEN = LIVE.with_name("7")


@dataclass(frozen=True)
class Reason:
    """Why a CA is not asked."""

    name: str
    cause: str
    fix: str


def missing(host: str) -> Reason:
    cause = f"{host} does not exist in the DNS (NXDOMAIN from ns1.example.com)."
    return Reason(host, cause, f"Add an A or AAAA record for {host}, then: chainwright renew")


LATE = Reason("", "This machine's clock is 5 hours behind the CA's.", "Set it, then: chainwright renew")


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def answered(clause: str, server: str = "", *, redirected: bool = False) -> http01.AnsweredByAnother:
    return http01.AnsweredByAnother({SHOP: clause}, 80, WEBROOT, AT, server, redirected)


EXAMPLES: list[AgentError] = [
    name.NameInvalid("a b", "it has a space"),
    # SourceError and its families
    SourceError(
        "The CA allows no more orders this week.",
        where="acme",
        fix="Wait, or use another account.",
        effect="The local chain is served.",
        retry_at=AT,
    ),
    source.OrderCancelled("acme"),
    source.NotRevocable("local"),
    source.SourceCrashed("toy", ZeroDivisionError("division by zero"), AT),
    acme.CaUnreached(LE, HOST, "its host name can't be resolved (Name or service not known)", AT),
    acme.CaUnreached(CA, CA, "no answer within 30 s", AT),
    acme.CaUnreached("127.0.0.1", "127.0.0.1", "connection refused", AT, port=14000),
    acme.CaUntrusted(CA, CA, NO_ISSUER, AT, file=TRUST),
    acme.CaUntrusted(LE, HOST, NO_ISSUER, AT),
    acme.CaUntrusted(LE, HOST, "certificate is not yet valid", AT),
    acme.CaUntrusted(LE, CA, "Hostname mismatch, certificate is not valid for 'ca.example'", AT),
    acme.TrustFileUnusable(TRUST, "no such file or directory", AT),
    acme.NoDirectory("https://ca.example/", "it answers with HTTP status 404", AT),
    acme.CaBusy(LE, AT),
    acme.CaBusy(LE, AT, "The service is down for maintenance."),
    acme.CaFailed(LE, "Error creating new order.", AT),
    acme.RateLimited(LE, 'too many certificates (50) already issued for "example.com" in the last 168h0m0s', AT),
    acme.NamesPaused(LE, frozenset({WWW, SHOP}), "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc", AT),
    acme.NamesPaused(LE, frozenset(), "", AT),
    acme.ProfileRefused(LE, "profile name 'gold' not recognized"),
    acme.SigningRequestRefused(LE, "unable to parse key: only P-256 and P-384 keys are allowed"),
    acme.RevocationRefused(LE, "reason code 8 is not allowed."),
    acme.RevocationUndone("Let's Encrypt can't be reached: no answer within 30 s."),
    acme.CaRefused(LE, "malformed", "", AT),
    account.RekeyUnfinished(LE),
    account.TermsNotAgreed(LE, "https://letsencrypt.org/documents/LE-SA-v1.6.pdf"),
    account.TermsNotAgreed(LE, "", changed=True),
    account.ExternalAccountMissing(CA, "https://www.ca.example"),
    account.ExternalAccountMissing(CA),
    account.ExternalAccountRefused(CA, "kid-1", "the MAC is wrong."),
    account.ContactRefused(LE, 'Contact emails @"example.com" are forbidden'),
    account.AccountKeyRefused(CA, "signature algorithm ES256 is not supported"),
    account.AccountRefused(CA, ACCOUNT, 'Account is not valid, has status "deactivated"', AT),
    account.AccountUnknown(CA, ACCOUNT, AT),
    account.AccountUnknown(CA, "", AT),
    order.OrderUnfinished(LE, 5, AT),
    order.ChainUnexpected(CA, "acme", "it does not name shop.example.com", AT),
    order.ChainRefused(CA, "acme", 'The certificate of "shop.example.com" has expired on 2026-11-01', AT),
    order.ProfileMissing(CA, "shortlivd", ["tlsserver", "shortlived"]),
    order.ProfileMissing(CA, "tlsserver", []),
    order.ChallengeMissing(CA, [SHOP], ["dns-01"]),
    validation.ValidationFailed(LE, [TIMEOUT], AT, passed=frozenset({SHOP})),
    validation.ValidationFailed(LE, [validation.NameFailure("", "serverInternal", "")], AT),
    validation.NamesRejected(LE, [validation.NameFailure(WWW, "rejectedIdentifier", "no valid public suffix")], AT),
    limits.RateLimitAhead(LE, "300 of 300 new orders in 3 hours are used up", AT, "It goes on by itself then."),
    limits.RateLimitInForce(LE, f"validations of {WWW}", AT, frozenset({WWW})),
    preflight.PreflightStopped([missing(GW)], AT),
    preflight.PreflightStopped([missing(f"{each}.example.com") for each in "abcde"], AT),
    preflight.PreflightStopped([LATE, missing(GW)], AT),
    renewal.RenewalInfoUnknown("no answer within 30 s", AT),
    answered("nginx/1.22.1 at 127.0.0.1:80 says 404 Not Found", "nginx/1.22.1"),
    answered(f'nginx at 127.0.0.1:80 redirects to "https://{SHOP}:8443/"', "nginx", redirected=True),
    answered("Apache at 127.0.0.1:80 says 404 Not Found", "Apache/2.4.71 (Debian)"),
    answered("Apache at 127.0.0.1:80 says 404 Not Found", "Apache", redirected=True),
    answered("127.0.0.1:80: what answers is not HTTP"),
    http01.PortForbidden([SHOP], 80, AT),
    http01.PortUnusable([SHOP], 80, os_error(errno.EADDRINUSE), AT),
    http01.PortUnusable([SHOP], 80, os_error(errno.EMFILE), AT),
    http01.WebrootUnwritable([SHOP], WEBROOT, os_error(errno.ENOSPC), AT),
    http01.TokenMalformed([SHOP], "../../etc/passwd", AT),
    crl.CrlUnreachable("http://ca.example.com/1.crl", "connection refused", AT),
    crl.CrlUnreachable("http://ca.example.com/1.crl", "it is not available", AT),
    crl.CrlNotPublic("http://127.0.0.1:8080/1.crl", AT),
    crl.CrlRefused("http://ca.example.com/1.crl", "its signature is not the CA's", AT),
    # Keys, certificates, roots
    chain.KeyMismatch([WWW]),
    chain.KeyMismatch(["a", "b", "c", "d", "e"]),
    chain.NoLeaf([]),
    chain.NoLeaf(["Toy Root"]),
    chain.IssuerMissing(WWW, "Toy CA", ["Toy Root"]),
    chain.WrongIssuer(WWW, "Toy CA", "Other CA"),
    chain.SignatureInvalid(WWW, "Toy CA"),
    chain.IssuerMayNotSign("Toy CA", "its key usage does not include keyCertSign"),
    chain.UnusedCertificates(WWW, ["Other CA"]),
    chain.LeafIsAuthority("Toy CA"),
    chain.WeakKey(1024, WWW),
    chain.WeakKey(1024),
    chain.WeakKey(192, "Shop CA", "elliptic curve", 224, authority=True),
    chain.WeakSignature(WWW, "SHA1"),
    chain.ChainTooLarge(WWW, 131071),
    chain.CriticalExtensionUnknown(WWW, "1.3.6.1.4.1.55555.1.2"),
    chain.Precertificate(WWW),
    chain.NotForClients(WWW, ["serverAuth"]),
    chain.KeyNotServable(WWW),
    chain.ClientsRefuse(WWW, 'OpenSSL says "path length constraint exceeded"'),
    chain.KeyUnsupported("secp521r1"),
    chain.KeyUnreadable("it is protected by a password"),
    chain.CertificateUnreadable("number 2 is not well-formed (its field tbs_cert is cut short)"),
    chain.ContentUnexpected(["key", "leaf"], "pem", "there is no private key"),
    chain.NotEncodable(["key", "leaf"], "der", "it holds one object"),
    root.RootMayNotSign("Toy CA", "its key usage does not include keyCertSign"),
    root.RootKeyMismatch("Toy CA"),
    root.RootParentsWrong("Toy CA", "It was issued by somebody else."),
    root.RootSignsUnusable("Branch CA", ['The authority "Branch CA" may not issue certificates for "gw.example.test"']),
    root.RootExpired("Toy CA", AT),
    root.RequestInvalid("its signature does not verify with the key in it"),
    root.NamesMissing(),
    root.RootMissing(),
    root.PeerUnknown("4f2a"),
    root.RevokedBefore("4f2a", AT),
    root.ListMissing("Toy CA"),
    # Uploads and other requests of administrators
    upload.NothingGiven(),
    upload.TooLarge(1048577, 1048576),
    upload.TooManyCertificates(100),
    upload.TooManyKeys(10),
    upload.NotACertificate("index.html", "an HTML page", "Download the file itself."),
    upload.BrokenBlock("chain.pem", 2, "CERTIFICATE", "it has no END line"),
    upload.Damaged("leaf.der", "a certificate", "it ends too early, after 700 of 707 bytes"),
    upload.OddCertificate(WWW, "its serial number is negative (RFC 5280 section 4.1.2.2)"),
    upload.PassphraseMissing("portal.key"),
    upload.CipherUnsupported("portal.key", "IDEA-CBC"),
    upload.PassphraseWrong("portal.p12"),
    upload.TooCostly("portal.key", "10 seconds of computing time"),
    upload.InspectionFailed("portal.key", "its process was ended by SIGSEGV"),
    upload.KeyMissing(["a.crt: 1 certificate", "a.csr: a certificate signing request"]),
    upload.CertificateMissing(["a.key: 1 private key"]),
    upload.PairMismatch(WWW, "3F:9A:00:11:22:33:44:55", "71:0C:00:11:22:33:44:55"),
    upload.NoKeyFits(["a.key", "b.pem, block 2"], WWW),
    upload.StrayKey("b.key", WWW, "a.key"),
    upload.TwoChains([SHOP, WWW]),
    upload.TwoCertificates([SHOP, WWW]),
    upload.ChainIncomplete(WWW, "Toy CA"),
    upload.ChainIncomplete(WWW, "Toy CA", "http://ca.example.com/toy.crt"),
    upload.ParentsMissing("Branch CA", "Company Root", "http://ca.example.com/root.crt"),
    upload.Expired(WWW, AT),
    upload.NotYetValid(WWW, AT + timedelta(days=1), AT),
    upload.NotForServers(WWW, ["clientAuth", "1.2.3.4"]),
    upload.NotForServers("Shop CA", ["anyExtendedKeyUsage"], authority=True),
    upload.NameNotPermitted("www.example.org", "Branch CA"),
    upload.NameNotPermitted(
        "example.org", "Branch CA", 'permitted: names below "example.org"; not for: "a.example.org"'
    ),
    upload.NoNames("My Server"),
    upload.TrustUnreadable(
        "/etc/chainwright/trust/company.pem",
        "a certificate can't be read: there is none",
    ),
    upload.TrustUnreadable("/etc/chainwright/trust/company.pem", "every user can write to it", "chmod go-w FILE"),
    operations.PassphraseRefused("it has 8 characters, and at least 12 are needed"),
    operations.NameNotCovered("mail.example.test", ["www.example.test", "*.example.org"]),
    operations.NameNotCovered("mail.example.test", []),
    operations.NotNeeded(["a.example.test", "b.example.test"], ["www.example.test", "mail.example.test"]),
    operations.NotNeeded(["a.example.test"], []),
    operations.NotNeeded(
        ["a.example.test"],
        ["a.example.test"],
        "mail/default needs a.example.test, for which this chain is unfit, as its key is ed25519, and mail takes ecdsa-p256",
    ),
    operations.UploadsNotAllowed(["web/a", "web/b"], ["acme", "local"]),
    operations.UploadsNotAllowed(["web/a"], ["local"], "[modules.web]"),
    operations.AlreadyUploaded(ID),
    operations.ChainInUse(ID, ["web/a", "web/b"], ["web/a: local", "web/b: nothing"]),
    operations.ChainInUse(ID, ["web/a"], ["web/a: local"], ["web/a"]),
    pins.PinnedInSettings("web_auth", "default", "portal.example.com"),
    pins.PinUnusable(ID, "web_auth", "default", f"it does not cover {GW}"),
    pins.PinMoved(ID, "web_auth", "default", "0f" * 32),
    pins.NotPinned("web_auth", "default", ["mail/imap"]),
    pins.NotPinned("web_auth", "default", []),
    operations.OnlyKeyLost(ID, [WWW, SHOP]),
    operations.NotDeletable(ID, "local"),
    operations.NothingToReissue("wwww.example.test", "www.example.test"),
    operations.NothingToReissue("x.example.test", ""),
    operations.RootAlreadyPresent(ID),
    operations.NotInLadder("acme", ["uploaded", "local"]),
    # Deployment
    ProbeFailed(ENDPOINT, "nobody listens there (connection refused)", dead=True),
    served.ServiceStopped(ENDPOINT, PLACE, AT, AT - timedelta(minutes=3), START_NGINX),
    served.OtherCertificate(ENDPOINT, PLACE, "old.example", "Old CA", AT, "openssl (pid 4711)", 8443, START_NGINX),
    served.OtherCertificate(ENDPOINT, PLACE, "old.example", "Old CA", AT, "", 8443, START_NGINX),
    served.OtherCertificate("unix:/run/x.sock", "unix:/run/x.sock", "old.example", "Old CA", AT, "", 0, START_NGINX),
    served.WrongChainServed(ENDPOINT, (OTHER, FIRST), (LEAF, FIRST)),
    served.WrongChainServed(ENDPOINT, (LEAF,), (LEAF, FIRST)),
    served.WrongChainServed(ENDPOINT, (LEAF, SECOND, FIRST), (LEAF, FIRST, SECOND)),
    served.WrongChainServed(ENDPOINT, (LEAF, FIRST), (LEAF,)),
    served.WrongChainServed(ENDPOINT, (), (LEAF, FIRST)),
    served.WrongGeneration(ENDPOINT, 6, 7),
    served.WrongGeneration(ENDPOINT, None, 7),
    deploy.TemplateRefused("/etc/chainwright/templates/nginx/site.conf.j2, line 7", "'prot' is undefined"),
    deploy.PreflightRefused("mail/default", "the chain does not cover mail.example.test"),
    deploy.PrepareFailed("mail", "postmap", "cannot open sni: no such file.", OUTPUT),
    deploy.CheckRefused("nginx", "nginx", "nginx: [emerg] unknown directive", OUTPUT),
    deploy.CheckWarned("nginx", ['[warn] conflicting server name "gw.example.test" on 0.0.0.0:443, ignored']),
    deploy.NextStartFails("nginx", "nginx -t", "[emerg] unknown directive", OUTPUT),
    deploy.NotReloadable(
        "nginx", "/run/nginx.pid is missing", "End it (kill 4711), then start it: systemctl start nginx"
    ),
    deploy.ServiceRefusesPresent("nginx", "nginx", "cannot load module:", OUTPUT),
    deploy.ReloadFailed("nginx", "nginx", "exit code 1", OUTPUT),
    served.NotConfirmed("haproxy", "confirm-haproxy", "it runs generation 6", OUTPUT),
    served.NotSeen("mail", "dovecot and postfix"),
    deploy.ServiceDown("nginx", "nobody listens at 127.0.0.1:443"),
    deploy.StartFailed("nginx", "nginx", "nginx: [emerg] bind() to 0.0.0.0:443 failed (98: Address in use)", OUTPUT),
    deploy.RollbackFailed(
        "mail",
        "127.0.0.1:993 serves the chain 222222222222 instead of 111111111111.",
        "127.0.0.1:993 gives no proper answer: nobody listens there.",
    ),
    deploy.RollbackFailed(
        "mail", "The reload failed (systemctl): exit code 1.", "The reload failed (systemctl): exit code 1."
    ),
    deploy.FileDamaged("mail", "/var/lib/chainwright/modules/mail/7/mail.pem"),
    deploy.OwnerUnknown("group", "mail-keys"),
    deploy.PublishOccupied("/etc/ipsec.d/private/gw.pem"),
    deploy.DiskFailed("/var/lib/chainwright/modules/mail/7", "no space left on device"),
    deploy.ChainGone(ID),
    deploy.NotTakenOut("mail", "/etc/postfix/main.cf still names the agent's files", OUTPUT),
    served.StillServed("mail", "127.0.0.1:993 (mail.example.test)", "dovecot (pid 612)", "kill 612"),
    deploy.FormerInstance("nginx", "pid 4711", "kill 4711"),
    deploy.LeftBehind("nginx", 'open() "/etc/nginx/conf.d/chainwright.conf" failed'),
    deploy.ServiceForgotten("nginx"),
    deploy.NotIncluded(
        "postfix", "/etc/postfix/main.cf does not name the agent's files; add them: postconf -e 'a = b'"
    ),
    # State, settings, plugins
    store.MasterKeyLost(f"{PRIVATE}/master.key"),
    store.MasterKeyRefused(f"{PRIVATE}/master.key"),
    store.MasterKeyWrong(f"{PRIVATE}/master.key"),
    store.SealBroken("key of chain 1234"),
    store.DatabaseLost(DATABASE, f"{PRIVATE}/root-1234.sealed"),
    store.DatabaseRefused(DATABASE, "unable to open database file"),
    store.DatabaseDamaged(DATABASE, "file is not a database"),
    store.TablesLost(DATABASE, "chains, roots"),
    store.RowDamaged(DATABASE, "chains", "3f5a", "ValueError: its certificates is missing"),
    store.DatabaseBusy(DATABASE, "database is locked", "pid 7, chainwright run"),
    store.DatabaseBusy(DATABASE, "database is locked"),
    store.DatabaseReadOnly(DATABASE, "attempt to write a readonly database"),
    store.DatabaseUnreadable(DATABASE, "disk I/O error"),
    store.DatabaseFull(DATABASE, "database or disk is full"),
    store.DatabaseTooNew(DATABASE, "m004_peers"),
    store.StateUnwritable(PRIVATE, "permission denied"),
    store.LockHeld("/var/lib/chainwright/private/lock", "pid 7, chainwright run"),
    store.LockHeld("/var/lib/chainwright/private/lock", ""),
    store.AgentAlreadyRunning("/var/lib/chainwright/private/daemon.lock", "pid 7"),
    store.NoStateYet(DATABASE),
    store.SocketPathTooLong("/" + "ü" * 60),
    settings.SettingsRefused((PORT,)),
    settings.SettingsRefused((PORT, FILE)),
    plugin.ImportFailed(*WHO, ModuleNotFoundError("No module named 'postfix'")),
    plugin.ImportFailed(*WHO, SystemExit(3)),
    plugin.RegistrationFailed(*WHO, "register_modules", KeyError()),
    plugin.CommandsFailed(*WHO, TypeError("no\nwhere")),
    plugin.UnknownHook(*WHO, "register_module", "register_modules"),
    plugin.UnknownHook(*WHO, "xyz", None),
    plugin.UnknownArgument(*WHO, "consequences_of", "delta", ("change", "observed")),
    plugin.UnknownArgument(*WHO, "register_modules", "agent", ()),
    plugin.HookMisplaced(*WHO, "register_modules", "a module", "Move it to the top level of the plugin"),
    plugin.HookUndecorated(*WHO, "Mail", "declare_needs", "needs"),
    plugin.NotAContribution(*WHO, "register_modules", "a list with str", "Module"),
    plugin.ContributionIncomplete(*WHO, "module", "Mail", ("it has no name", 'it has no "needs"')),
    plugin.DuplicateName(*WHO, "module", "mail", "post (/etc/chainwright/plugins/post.py)"),
    plugin.ServiceUnknown(*WHO, "mail", "postfix", ["nginx"]),
    plugin.ServiceUnknown(*WHO, "mail", "postfix", []),
    plugin.PackageRefused(
        "vpn",
        "chainwright-vpn 1.0",
        "/opt/lib/chainwright_vpn.py",
        "every user can write to it (mode 0666)",
        "chmod go-w FILE",
    ),
    plugin.DropInRefused("/etc/chainwright/plugins/mail.py", "every user can write to it", "chmod go-w FILE"),
    plugin.ModuleMissing("post", "mail", ["bundle", "other"]),
    plugin.ModuleRaised("mail", "declare_needs", ZeroDivisionError("division by zero")),
    plugin.PolicyRaised("mail", "render_files", ZeroDivisionError("division by zero"), "strict_ciphers"),
    plugin.SourceRaised("toy", "offers", ZeroDivisionError("division by zero")),
    plugin.DeclarationRefused("mail", "declare_needs", 'it has the slot "smtp" twice'),
    plugin.DeclarationRefused("mail", "probes", "it is an object of type str", "/opt/mail.py:31"),
    plugin.ObserverRaised("plugin slack", "deployed", OSError(113, "No route to host")),
    # Command line, API, users
    usage.CommandLineWrong("No such option: --waitt.", "chainwright apply"),
    usage.UnknownCommand("statsu", ["status", "apply"]),
    usage.UnknownCommand("x", ["status"], "chainwright root"),
    usage.UnknownModule("mial", ["mail", "web"]),
    usage.UnknownModule("vpn", [f"module{number}" for number in range(10)]),
    usage.UnknownModule("mail", []),
    usage.UnknownSlot("webui", "nam", ["name", "address"]),
    usage.UnknownSlot("web", "a", []),
    usage.ModuleUnusable("mail", "it is disabled"),
    usage.UnknownChain("www.exmple.test", ["www.example.test"]),
    usage.AmbiguousId("ab", ["ab" + "2" * 62, "ab" + "1" * 62]),
    usage.UnknownFile("mail", "mail.cnf", ["mail.conf"]),
    usage.UnknownFile("mail", "x", []),
    usage.FileUnwritable("/srv/root.pem", "permission denied"),
    usage.InputUnreadable("shop.pem", "no such file or directory"),
    usage.PassphraseNeeded(),
    usage.PasswordNeeded("ann"),
    usage.ConfirmationFlagMissing("--yes-reissue-root"),
    usage.Unexpected(ValueError("a\n  b.")),
    usage.Unexpected(KeyError()),
    api.PeerForbidden(65534),
    api.AuthenticationRequired(),
    api.NoOwnPassword("token monitoring"),
    api.NoOwnSession("token monitoring"),
    api.NotFound(),
    api.MethodNotAllowed("PUT", ["POST", "GET"]),
    api.BadRequest("Input should be a valid string", "content, user"),
    api.ContentTooLarge(2_097_152),
    api.RequestTimeout(30),
    api.ServiceUnavailable(),
    api.ConfirmationWordMissing("REISSUE"),
    api.ConfirmationRequired(),
    api.JobNotFound("12ab"),
    api.JobLost("exit code 1"),
    api.InternalError(),
    auth.InvalidCredentials(),
    auth.TooManyLogins(AT),
    auth.SessionExpired(),
    auth.InvalidToken(),
    auth.PermissionDenied("ann", "viewer", "admin"),
    auth.OneTimePasswordEnded("admin"),
    auth.PasswordChangeRequired(),
    auth.PasswordRequired(),
    auth.PasswordWrong("ann"),
    auth.TokenForbidden("token monitoring"),
    auth.TokenRefused(
        "monitoring",
        "ann has made one of this name",
        "Choose another name, or revoke it: chainwright webui token revoke 5f0c12aa",
    ),
    auth.PasswordRefused("it would be guessed at once"),
    auth.UserNotFound("bob"),
    auth.UserRefused("bob", "there is one already", "Change the password: chainwright webui password bob"),
    auth.TokenNotFound("12ab"),
    auth.TooManyChanges("ann", 5000, AT),
    auth.AuditBroken('row 7 of "change" was removed', ", and 2 more"),
    # The web interface's own process
    webui.NoGeneration(LIVE),
    webui.GenerationFileUnreadable(SEVEN / "name/key.pem", "Permission denied"),
    webui.ManifestMalformed(SEVEN / "generation.json", '"slots" is missing or is not an object'),
    webui.CertificateRefused(SEVEN / "name/fullchain.pem", "ee key too small"),
    webui.KeyUnusable(SEVEN / "name/key.pem"),
    webui.ServerKeyMismatch(SEVEN / "name/key.pem", SEVEN / "name/fullchain.pem"),
    webui.CannotListen("127.0.0.1:8443", "Address already in use"),
    webui.PidFileUnwritable(Path("/run/chainwright/webui/pid"), "No such file or directory"),
    webui.TemplateBroken("/etc/chainwright/templates/webui/certificates.html.j2", "line 3: unexpected '}'"),
    webui.AgentSilent("connection refused"),
    webui.FromElsewhere(),
    webui.OnlyForAdmins("guest"),
    webui.FormStale(),
    webui.FormMalformed("a part has no name"),
    webui.FormTooLarge(2 * 2**20),
    webui.FormTooSlow(30.0),
    webui.FormUnexpected(8192),
    webui.TooManyForms(),
    webui.PageFailed(),
    webui.UploadForgotten(),
]
