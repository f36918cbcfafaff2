"""A small wide-area network on one Linux machine, for tests and benchmarks.

Every host is a network namespace with one TUN device. A router process reads each host's packets and delivers them
after the path's one-way delay, no faster than the sender's uplink and the receiver's downlink allow. Links can be cut
and mended while programs run. Needs root, `ip` (iproute2) and /dev/net/tun, but not the kernel's netem.

    with Lab(hosts=4, rtt_ms=100, mbit=100) as lab:
        server = lab.popen(1, ["meadow", "serve", ...])     # on host 1, 10.77.0.2
        lab.run(0, ["meadow", "bench", ...])                # on host 0, 10.77.0.1
        lab.cut(0, 1); lab.mend(0, 1)                       # drop every packet between two hosts
        lab.delay(0, 1, rtt_ms=300)                         # from now on

Units: `rtt_ms` counts both directions together; `mbit` is 10^6 bit/s, per direction. `rtt_ms` is one number for all
pairs or a square matrix. Checked: ping shows the RTT plus 0.2 to 2 ms; one TCP stream reaches about 0.9 of `mbit` up to
1000 Mbit/s (the router is one Python process and takes most of a core at that rate).
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import json
import os
import selectors
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
_TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_PREFIX = b"\x0a\x4d\x00"  # 10.77.0
_QUEUE_S = 0.5  # a link buffers this much traffic, then drops, as a home router does
_END_TIMEOUT_S = 10.0
_serials = itertools.count()


def why_no_lab() -> str | None:
    """Why this computer cannot have a lab, or None when it can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    if not _TUN.exists():
        return f"there is no {_TUN}"
    tried = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"`ip netns` fails: {tried.stderr.strip()}"


class Lab:
    """Hosts 0..n-1 with the addresses 10.77.0.1 .. 10.77.0.n."""

    def __init__(
        self, hosts: int, rtt_ms: float | Sequence[Sequence[float]] = 0.0, mbit: float = 1000.0, mtu: int = 1500
    ) -> None:
        self.hosts, self.mbit, self.mtu = hosts, mbit, mtu
        self.name = f"lab{os.getpid() % 10000}{chr(97 + next(_serials) % 26)}"
        self.rtt_ms = [
            [
                0.0 if a == b else float(rtt_ms if isinstance(rtt_ms, int | float) else rtt_ms[a][b])
                for b in range(hosts)
            ]
            for a in range(hosts)
        ]
        self._router: subprocess.Popen[str] | None = None
        self._children: list[subprocess.Popen[str]] = []

    def address(self, host: int) -> str:
        return f"10.77.0.{host + 1}"

    def namespace(self, host: int) -> str:
        return f"{self.name}-{host}"

    def device(self, host: int) -> str:
        """The host's only network device beside its loopback."""
        return f"t{self.name}x{host}"[:15]

    def __enter__(self) -> Lab:
        descriptors: list[int] = []
        try:
            for host in range(self.hosts):
                descriptors.append(self._add_host(host))
            plan = json.dumps({"descriptors": descriptors, "rtt_ms": self.rtt_ms, "mbit": self.mbit})
            self._router = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), plan],
                pass_fds=descriptors,
                stdin=subprocess.PIPE,
                text=True,
            )
        except BaseException:
            self.__exit__()
            raise
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            if child.poll() is None:
                child.terminate()
        for child in self._children:
            try:
                child.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()
        if self._router is not None:
            if self._router.stdin is not None:
                self._router.stdin.close()
            self._router.terminate()
            self._router.wait()
        for host in range(self.hosts):
            subprocess.run(["ip", "netns", "del", self.namespace(host)], stderr=subprocess.DEVNULL, check=False)

    def popen(self, host: int, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program on a host, with text pipes; it is ended when the lab closes."""
        child: subprocess.Popen[str] = subprocess.Popen(self._on(host, command), text=True, **options)
        self._children.append(child)
        return child

    def run(self, host: int, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program on a host to its end, with text pipes."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self._on(host, command), text=True, **{"check": False, **options}
        )
        return done

    def cut(self, a: int, b: int) -> None:
        """Drop every packet between two hosts from now on."""
        self._tell("cut", a, b)

    def mend(self, a: int, b: int) -> None:
        self._tell("mend", a, b)

    def delay(self, a: int, b: int, rtt_ms: float) -> None:
        """From now on, packets between two hosts take so long, there and back together."""
        self.rtt_ms[a][b] = self.rtt_ms[b][a] = rtt_ms
        self._tell("delay", a, b, rtt_ms)

    def _add_host(self, host: int) -> int:
        """Make a namespace with its device; the device's descriptor."""
        namespace, device = self.namespace(host), self.device(host)
        _ip("netns", "add", namespace)
        descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
            _ip("link", "set", device, "netns", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "addr", "add", f"{self.address(host)}/24", "dev", device)
            _ip("-n", namespace, "link", "set", device, "mtu", str(self.mtu), "up")
            _ip("-n", namespace, "route", "add", "default", "dev", device)
            # Loss-based, as on most computers; bbr spreads the packets of a small message over milliseconds.
            _ip("netns", "exec", namespace, "sh", "-c", f"printf reno > {_CONGESTION_CONTROL}")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _on(self, host: int, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.namespace(host), *command]

    def _tell(self, *words: object) -> None:
        assert self._router is not None
        assert self._router.stdin is not None
        self._router.stdin.write(" ".join(map(str, words)) + "\n")
        self._router.stdin.flush()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class _Router:
    """Reads, delays, paces and delivers packets. The only thing in its process."""

    def __init__(self, descriptors: list[int], rtt_ms: list[list[float]], mbit: float) -> None:
        self._descriptors, self._rtt_ms = descriptors, rtt_ms
        self._s_per_byte = 8 / (mbit * 1e6)
        self._uplink_free_s = [0.0] * len(descriptors)
        self._downlink_free_s = [0.0] * len(descriptors)
        self._cut: set[tuple[int, int]] = set()
        self._waiting: list[tuple[float, int, int, bytes]] = []  # arrival, serial number, target, packet
        self._serial = itertools.count()

    def run(self) -> None:
        """Never returns."""
        selector = selectors.DefaultSelector()
        for host, descriptor in enumerate(self._descriptors):
            selector.register(descriptor, selectors.EVENT_READ, host)
        os.set_blocking(0, False)
        selector.register(0, selectors.EVENT_READ, None)
        while True:
            wait_s = None if not self._waiting else max(0.0, self._waiting[0][0] - time.monotonic())
            # A sleep shorter than half a millisecond would take longer than asked for.
            for key, _events in selector.select(wait_s if wait_s is None or wait_s > 0.0005 else 0):
                if key.data is not None:
                    self._read(key.data)
                elif not self._obey():
                    selector.unregister(0)
            self._deliver()

    def _obey(self) -> bool:
        """Follow what the lab says on stdin; False at its end."""
        commands = os.read(0, 65536)
        for line in commands.decode().splitlines():
            verb, *words = line.split()
            a, b = int(words[0]), int(words[1])
            pairs = {(a, b), (b, a)}
            match verb:
                case "cut":
                    self._cut |= pairs
                case "mend":
                    self._cut -= pairs
                case "delay":
                    self._rtt_ms[a][b] = self._rtt_ms[b][a] = float(words[2])
        return bool(commands)

    def _read(self, source: int) -> None:
        for _packet in range(64):  # then look at the others
            try:
                packet = os.read(self._descriptors[source], 65536)
            except BlockingIOError:
                return
            if len(packet) >= 20 and packet[0] >> 4 == 4 and packet[16:19] == _PREFIX:
                self._accept(source, packet[19] - 1, packet)

    def _accept(self, source: int, target: int, packet: bytes) -> None:
        if not 0 <= target < len(self._descriptors) or (source, target) in self._cut:
            return
        now = time.monotonic()
        if self._uplink_free_s[source] - now > _QUEUE_S:
            return
        cost_s = len(packet) * self._s_per_byte
        self._uplink_free_s[source] = max(now, self._uplink_free_s[source]) + cost_s
        arrival_s = self._uplink_free_s[source] + self._rtt_ms[source][target] / 2000
        arrival_s = max(arrival_s, self._downlink_free_s[target])
        self._downlink_free_s[target] = arrival_s + cost_s
        heapq.heappush(self._waiting, (arrival_s, next(self._serial), target, packet))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _arrival_s, _serial, target, packet = heapq.heappop(self._waiting)
            with suppress(OSError):  # the host is gone or its queue is full: a lost packet
                os.write(self._descriptors[target], packet)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        _Router(**json.loads(sys.argv[1])).run()
