import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hallmark_client.device.agent import AgentRefused, PeerRule
from hallmark_client.device.agent.peers import Applications, Peer, PeerFacts, program_at, unit_of


@pytest.mark.parametrize(
    ("cgroups", "unit"),
    [
        ("0::/system.slice/assistant.service\n", "assistant.service"),
        ("0::/system.slice/assistant.service/inner/deeper\n", "assistant.service"),
        ("0::/system.slice/system-app.slice/app@1.service\n", "app@1.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-chat.service\n",
            "user@1000.service/app-chat.service",
        ),
        # a user's own cgroup can not be mistaken for a unit of the system
        ("0::/user.slice/user-1000.slice/user@1000.service/assistant.service\n", "user@1000.service/assistant.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service\n", "user@1000.service"),
        ("9:name=systemd:/system.slice/a.service\n0::/elsewhere\n", "a.service"),
        ("0::/\n", ""),
        ("0::/made-by-hand/assistant.service\n", ""),
        ("", ""),
        ("nonsense\n:\n", ""),
    ],
)
def test_units(cgroups: str, unit: str) -> None:
    assert unit_of(cgroups) == unit


def test_all_of_a_rule_must_fit() -> None:
    here = program_at(Path(sys.executable))
    facts = PeerFacts(uid=1000, pid=5, unit="a.service", program=here)
    for rule in (
        "uid=1000",
        "unit=a.service",
        f"exe={sys.executable}",
        f"uid=1000,unit=a.service,exe={sys.executable}",
    ):
        assert PeerRule.parse(rule).fits(facts)
    for rule in ("uid=1001", "unit=b.service", "exe=/bin/sh", "uid=1000,unit=b.service", "exe=/nowhere"):
        assert not PeerRule.parse(rule).fits(facts)
    assert not PeerRule(exe="/nowhere").fits(PeerFacts(uid=0, pid=0))
    assert not PeerRule(unit="a.service").fits(PeerFacts(uid=0, pid=0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uid",
        "uid=",
        "uid=-1",
        "uid=1,uid=2",
        "uid=65534",
        "uid=4294967295",
        "uid=٣",
        "gid=1",
        "unit=",
        "exe=sh",
        "uid=1,",
    ],
)
def test_no_rules(text: str) -> None:
    with pytest.raises(ValueError):
        PeerRule.parse(text)


def test_the_first_rule_that_fits_gives_the_name() -> None:
    applications = Applications({"uid=5,unit=a.service": "one", "uid=5": "two"})
    assert applications.name(PeerFacts(uid=5, pid=1, unit="a.service")) == "one"
    assert applications.name(PeerFacts(uid=5, pid=1)) == "two"
    with pytest.raises(AgentRefused, match="uid 6"):
        applications.name(PeerFacts(uid=6, pid=1))


@pytest.mark.parametrize("name", ["", "hallmark.owner", "hallmark.x", "a\n", "a" * 257])
def test_names_that_no_app_may_have(name: str) -> None:
    with pytest.raises(ValueError):
        Applications({"uid=5": name})


@pytest.mark.skipif(sys.platform != "linux", reason="SO_PEERCRED and pidfds are Linux's")
class TestThisSystem:
    def test_who_connected(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs:
            peer = Peer(ours)
            assert (peer.facts.uid, peer.facts.pid) == (os.geteuid(), os.getpid())
            assert peer.facts.program == program_at(Path("/proc/self/exe"))
            peer.check_alive()
            peer.close()
            peer.close()

    def test_a_process_that_has_ended(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({str(tmp_path / 's')!r}); input()"
            with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
                connection, _ = listener.accept()
                peer = Peer(connection)
                assert peer.facts.pid == process.pid
                peer.check_alive()
            with pytest.raises(AgentRefused, match="ended"):
                peer.check_alive()
            with pytest.raises(AgentRefused, match="ended"):
                Peer(connection)
            peer.close()
            connection.close()
