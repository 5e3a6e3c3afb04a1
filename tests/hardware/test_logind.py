"""logind.conf is read as systemd reads it, and a logout that ends a run is known before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunewright.hardware.logind import (
    KillPolicy,
    logout_trouble,
    parse_policy,
    read_policy,
    session_of,
)

ON = "[Login]\nKillUserProcesses=yes\n"
OFF = "[Login]\nKillUserProcesses=no\n"
SCOPE = ("/user.slice/user-1000.slice/session-3.scope",)
MANAGER = ("/user.slice/user-1000.slice/user@1000.service/app.slice/vte-1.scope",)


@pytest.mark.parametrize(
    ("texts", "kills"),
    [
        (["", ""], False),
        ([ON], True),
        ([ON, OFF], False),
        ([OFF, ON], True),
        (["[Login]\nKillUserProcesses=YES\n"], True),
        (["[Login]\n  KillUserProcesses = t \n"], True),
        (["[Login]\nKillUserProcesses=\\\nyes\n"], True),
        ([ON + "KillUserProcesses=maybe\n"], True),
        ([ON + "KillUserProcesses=\n"], True),
        (["KillUserProcesses=yes\n"], False),
        (["[Journal]\nKillUserProcesses=yes\n"], False),
        (["[Login]\n; KillUserProcesses=no\nKillUserProcesses=on\n"], True),
        # The shipped file shows the compiled-in default as a comment.
        (["[Login]\n#KillUserProcesses=yes\n"], True),
        (["[Login]\n#KillUserProcesses=no\n"], False),
        ([OFF, "[Login]\n#KillUserProcesses=yes\n"], False),
        ([ON + "KillExcludeUsers=ana ben\n"], False),
        ([ON + "KillExcludeUsers=ben\n"], True),
        ([ON + "KillExcludeUsers=ana\nKillExcludeUsers=\n"], True),
        ([ON + "KillOnlyUsers=ben\n"], False),
        ([OFF + "KillOnlyUsers=ben ana\n"], True),
        ([OFF + "KillOnlyUsers=ana\nKillOnlyUsers=\n"], False),
    ],
)
def test_whose_processes_end(texts: list[str], kills: bool) -> None:
    assert parse_policy(texts).kills("ana") is kills


@pytest.mark.parametrize("text", [ON, ON + "KillExcludeUsers=\n", ON + "KillExcludeUsers=ana\n"])
def test_root_is_spared(text: str) -> None:
    assert not parse_policy([text]).kills("root")


def test_drop_ins_go_by_name_over_all_folders_and_higher_folders_hide_lower(
    tmp_path: Path,
) -> None:
    def put(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    put("usr/lib/systemd/logind.conf", OFF)
    assert not read_policy(tmp_path).kill
    put("usr/lib/systemd/logind.conf.d/50-vendor.conf", ON)
    assert read_policy(tmp_path).kill
    put("run/systemd/logind.conf.d/40-early.conf", OFF)
    assert read_policy(tmp_path).kill
    put("etc/systemd/logind.conf.d/60-admin.conf", OFF)
    assert not read_policy(tmp_path).kill
    put("etc/systemd/logind.conf.d/60-admin.conf", ON)
    put("etc/systemd/logind.conf.d/50-vendor.conf", "")
    assert read_policy(tmp_path).kill
    (tmp_path / "etc/systemd/logind.conf.d/60-admin.conf").unlink()
    assert not read_policy(tmp_path).kill
    put("etc/systemd/logind.conf", ON)
    assert not read_policy(tmp_path).kill  # 40-early.conf still comes after the main file
    (tmp_path / "run/systemd/logind.conf.d/40-early.conf").unlink()
    assert read_policy(tmp_path).kill


@pytest.mark.parametrize(
    ("path", "session"),
    [
        (SCOPE[0], ("scope", "session-3.scope")),
        ("/user.slice/user-0.slice/session-c12.scope", ("scope", "session-c12.scope")),
        (MANAGER[0], ("manager", "user@1000")),
        ("/system.slice/slurmstepd.scope/job_12/step_0", None),
        ("/system.slice/ssh.service", None),
        ("/", None),
    ],
)
def test_where_a_process_belongs(path: str, session: tuple[str, str] | None) -> None:
    assert session_of([path]) == session


def test_a_run_in_a_login_session_is_warned_of_with_what_really_helps() -> None:
    trouble = logout_trouble(KillPolicy(kill=True), "ana", SCOPE, lingers=False)
    assert trouble is not None
    assert "session-3.scope" in trouble.why
    assert trouble.cure.startswith("loginctl enable-linger && systemd-run --user --scope")


def test_lingering_alone_does_not_save_what_is_in_the_session_scope() -> None:
    trouble = logout_trouble(KillPolicy(kill=True), "ana", SCOPE, lingers=True)
    assert trouble is not None
    assert "enable-linger" not in trouble.cure
    assert "systemd-run --user --scope" in trouble.cure


def test_lingering_saves_what_is_under_the_users_manager() -> None:
    for policy in (KillPolicy(kill=True), KillPolicy(kill=False)):
        assert logout_trouble(policy, "ana", MANAGER, lingers=True) is None
        trouble = logout_trouble(policy, "ana", MANAGER, lingers=False)
        assert trouble is not None
        assert trouble.cure == "loginctl enable-linger"


def test_where_nothing_ends_there_is_no_trouble() -> None:
    assert logout_trouble(KillPolicy(kill=False), "ana", SCOPE, lingers=False) is None
    assert logout_trouble(KillPolicy(kill=True), "root", SCOPE, lingers=False) is None
    assert logout_trouble(KillPolicy(kill=True), "ana", ["/system.slice/x"], lingers=False) is None
