"""Does systemd-logind end a user's processes at logout? Its configuration, read as it reads it.

Pure functions over text, except `read_policy`. Sources: logind.conf(5), systemd.syntax(7), and
`manager_shall_kill` and `session_stop_scope` of systemd's logind: when a session ends, its scope is
stopped if the policy says so. Lingering is not asked there: it keeps the user's own service manager
(user@UID.service) and what runs under it, so a run has to be started there to outlive the session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tunewright.hardware.snapshot import Trouble

# Highest priority first, as systemd searches them.
_FOLDERS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd")
_TRUE = {"1", "yes", "y", "true", "t", "on"}
_FALSE = {"0", "no", "n", "false", "f", "off"}


class KillPolicy(msgspec.Struct, frozen=True):
    """The three settings of [Login] that decide whose processes end with their session."""

    kill: bool = False
    only_users: tuple[str, ...] = ()
    exclude_users: tuple[str, ...] = ("root",)

    def kills(self, user: str) -> bool:
        """Whether the session scope of `user` is stopped when the session ends."""
        if user in self.exclude_users or (not self.exclude_users and user == "root"):
            return False
        return user in self.only_users if self.only_users else self.kill


def parse_policy(texts: Sequence[str]) -> KillPolicy:
    """The policy of configuration files in the order in which they apply, main file first.

    The compiled-in default differs between distributions; the shipped file shows it as a comment
    (`#KillUserProcesses=no`), which is therefore believed until a line that is set follows.
    """
    kill = False
    only: list[str] = []
    exclude = ["root"]
    for text in texts:
        for key, value, commented in _assignments(text):
            if key == "KillUserProcesses" and value.lower() in _TRUE | _FALSE:
                if not commented or text is texts[0]:
                    kill = value.lower() in _TRUE
            elif commented:
                continue
            elif key == "KillOnlyUsers":
                only = [*only, *value.split()] if value else []
            elif key == "KillExcludeUsers":
                exclude = [*exclude, *value.split()] if value else []
    return KillPolicy(kill, tuple(only), tuple(exclude))


def _assignments(text: str) -> list[tuple[str, str, bool]]:
    """(key, value, commented) of the [Login] section; a line that ends in a backslash goes on."""
    found: list[tuple[str, str, bool]] = []
    section = ""
    # Comments inside a continued line are dropped, so they are found before lines are joined.
    logical = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not logical and re.fullmatch(r"[#;]\s*KillUserProcesses=\w+", line):
            key, _, value = line.lstrip("#; ").partition("=")
            if section == "Login":
                found.append((key, value, True))
            continue
        if line.startswith(("#", ";")):
            continue
        if raw.rstrip().endswith("\\"):
            logical += line[:-1] + " "
            continue
        line, logical = (logical + line).strip(), ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "Login" and "=" in line:
            key, _, value = line.partition("=")
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found.append((key.strip(), value, False))
    return found


def read_policy(root: Path = Path("/")) -> KillPolicy:
    """Read logind.conf (the first found) and its drop-ins (by name over all folders; a name in a
    higher folder hides the lower ones). What cannot be read counts as not there."""
    texts = [""]
    for folder in _FOLDERS:
        main = root / folder / "logind.conf"
        if main.exists():
            texts = [_text(main)]
            break
    drop_ins: dict[str, Path] = {}
    for folder in _FOLDERS:
        try:
            names = sorted((root / folder / "logind.conf.d").glob("*.conf"))
        except OSError:
            continue
        for path in names:
            drop_ins.setdefault(path.name, path)
    return parse_policy(texts + [_text(drop_ins[name]) for name in sorted(drop_ins)])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def session_of(cgroup_paths: Sequence[str]) -> tuple[str, str] | None:
    """("scope", "session-3.scope") for a process of a login session, ("manager", "user@1000") for
    one under the user's service manager, None for any other (a service, a Slurm job, a container).
    """
    for path in cgroup_paths:
        for part in reversed(path.split("/")):
            if re.fullmatch(r"session-[^/]+\.scope", part):
                return "scope", part
            if match := re.fullmatch(r"(user@\d+)\.service", part):
                return "manager", match[1]
    return None


def logout_trouble(
    policy: KillPolicy, user: str, cgroup_paths: Sequence[str], lingers: bool
) -> Trouble | None:
    """What logging out does to this process, or None when it lives on."""
    session = session_of(cgroup_paths)
    if session is None:
        return None
    kind, unit = session
    if kind == "manager":
        if lingers:
            return None
        return Trouble(
            what="This run would end when you log out",
            why=f"it runs under {unit}, which stops with the last session of {user}",
            cure="loginctl enable-linger",
        )
    if not policy.kills(user):
        return None
    start = "systemd-run --user --scope tunewright"
    return Trouble(
        what="This run would end when you log out",
        why=f"KillUserProcesses is on in logind.conf, and this terminal's processes ({unit}) "
        "end with their session",
        cure=f"start it as: {start} …" if lingers else f"loginctl enable-linger && {start} …",
    )
