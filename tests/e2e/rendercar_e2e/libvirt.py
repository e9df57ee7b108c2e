"""A libvirt of the test's own: libvirtd and virtlogd with their own directories, privileged or as a session, and virsh on it.

Nothing of the machine's own libvirt is seen or touched: the privileged daemon runs in its own mount namespace, the session
daemon in its own XDG directories. SPDX-License-Identifier: Apache-2.0
"""

import os
import pwd
import shutil
import subprocess

from . import process
from .backends import Missing

COMM_BYTES = 15  # of a process's name, proc(5)
PROGRAMS = ("rendercar-backend", "rendercar-renderer", "rendercar-shim", "rendercar-sidecar")
QEMU_USER = "libvirt-qemu"  # Debian's; QEMU and its helpers run as it
START_TIMEOUT_S = 60


class VirshError(Exception):
    """virsh said no; the message is what it printed."""


def find(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{program} is not installed; run scripts/install-deps.sh")
    return path


class Libvirt:
    """`start()`, `virsh(...)`, `close()`. `folder` is short, and others may enter it."""

    def __init__(self, folder, privileged, programs):
        if privileged and os.geteuid() != 0:
            raise Missing("a privileged libvirtd needs root")
        self.folder, self.privileged = folder, privileged
        self.bin = self.path("bin")
        self._virtlogd = self._libvirtd = None
        self._copy_programs(programs)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # Where things are

    def _copy_programs(self, programs):
        # Copies, since QEMU's user may not enter the folder where they were built.
        os.makedirs(self.bin)
        for name in PROGRAMS:
            shutil.copy(os.path.join(programs, name), self.bin)

    @property
    def json_dir(self):
        """Where this daemon finds vhost-user JSON."""
        return self.path("vhost-user") if self.privileged else self.path("config/qemu/vhost-user")

    @property
    def _runtime(self):
        return self.path("run/libvirt")

    @property
    def uri(self):
        kind = "system" if self.privileged else "session"
        return f"qemu+unix:///{kind}?socket={self._runtime}/libvirt-sock"

    @property
    def uid(self):
        """Of QEMU and its helpers."""
        return pwd.getpwnam(QEMU_USER).pw_uid if os.geteuid() == 0 else os.geteuid()

    def own(self, path):
        """Gives a file or directory to QEMU's user."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, pwd.getpwnam(QEMU_USER).pw_gid)

    # Starting

    def start(self):
        for name in ("run/libvirt", "run/user", "etc", "lib", "log", "cache", "config/libvirt", "config/qemu/vhost-user", "vhost-user", "home"):
            os.makedirs(self.path(name), exist_ok=True)
        if self.privileged:
            self._start_privileged()
        else:
            self._start_session()
        self._await("virtlogd-sock", self._virtlogd)
        self._await("libvirt-sock", self._libvirtd)
        return self

    def _start_privileged(self):
        # Debian's own configuration, but without cgroups (the machine's tree is not ours) and other confinement of the machine.
        for name in ("libvirtd.conf", "virtlogd.conf", "qemu.conf"):
            shutil.copy(os.path.join("/etc/libvirt", name), self.path("etc"))
        with open(self.path("etc/qemu.conf"), "a") as f:
            f.write('\ncgroup_controllers = [ ]\nsecurity_driver = "none"\n')
        with open(self.path("etc/libvirtd.conf"), "a") as f:
            f.write('\nauth_unix_rw = "none"\n')
        os.makedirs(self.path("lib/qemu"), exist_ok=True)
        shutil.copytree("/usr/share/qemu/vhost-user", self.json_dir, dirs_exist_ok=True)
        mounts = {"run": "/run", "etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "log": "/var/log/libvirt",
                  "cache": "/var/cache/libvirt", "vhost-user": "/usr/share/qemu/vhost-user"}
        script = " && ".join(f"mount --bind {self.path(name)} {at}" for name, at in mounts.items())
        self._virtlogd = self._process("virtlogd", ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                                    f"{script} && exec {find('virtlogd')}"])
        self._await("virtlogd-sock", self._virtlogd)
        self._libvirtd = self._process("libvirtd", ["nsenter", f"--mount=/proc/{self._virtlogd.pid}/ns/mnt", find("libvirtd")])

    def _start_session(self):
        # As KubeVirt configures its session daemon, less user and group.
        with open(self.path("config/libvirt/qemu.conf"), "w") as f:
            f.write('stdio_handler = "logd"\nvnc_listen = "0.0.0.0"\nvnc_tls = 0\nvnc_sasl = 0\ndynamic_ownership = 1\n'
                    'remember_owner = 0\nnamespaces = [ ]\ncgroup_controllers = [ ]\n')
        environment = dict(os.environ, HOME=self.path("home"), XDG_RUNTIME_DIR=self.path("run"),
                           XDG_CONFIG_HOME=self.path("config"), XDG_CACHE_HOME=self.path("cache"))
        as_user = []
        if os.geteuid() == 0:
            as_user = ["setpriv", f"--reuid={QEMU_USER}", f"--regid={pwd.getpwnam(QEMU_USER).pw_gid}", "--clear-groups"]
            for at, _, _ in os.walk(self.folder):
                self.own(at)
        self._virtlogd = self._process("virtlogd", as_user + [find("virtlogd")], env=environment)
        self._await("virtlogd-sock", self._virtlogd)
        self._libvirtd = self._process("libvirtd", self._with_huge_pages(as_user + [find("libvirtd")]), env=environment)

    def _with_huge_pages(self, command):
        """libvirt wants a mounted hugetlbfs, also for memfd; where it can be, the daemon gets one in a mount namespace of its own."""
        if os.geteuid() != 0:
            return command
        os.makedirs(self.path("huge"))
        mount = f"mount -t hugetlbfs -o uid={self.uid},mode=0700 none {self.path('huge')}"
        told = f"""echo 'hugetlbfs_mount = "{self.path('huge')}"' >> {self.path('config/libvirt/qemu.conf')}"""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{{ {mount} && {told}; }}; exec "$@"', "sh", *command]

    def _process(self, name, command, **popen):
        return process.Process(name, command, self.path(f"{name}.txt"), **popen)

    def _await(self, socket, daemon):
        def look():
            if not daemon.running():
                raise VirshError(f"{daemon.name} ended: {daemon.tail()}")
            return os.path.exists(os.path.join(self._runtime, socket))
        process.wait_until(look, START_TIMEOUT_S, f"{socket} of {daemon.name}")

    # Using

    def virsh(self, *arguments, timeout_s=120):
        done = subprocess.run([find("virsh"), "-q", "-c", self.uri, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, timeout=timeout_s)
        if done.returncode != 0:
            raise VirshError(f"virsh {' '.join(arguments)}: {done.stdout.strip()}\n{self.describe()}")
        return done.stdout

    def domains(self):
        """Names of all domains, defined or running."""
        return self.virsh("list", "--all", "--name").split()

    def helpers(self, *names):
        """Running processes of the programs that this libvirt was given; all of them, or those of these names (a backend's
        spawner has another)."""
        found = []
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    program = f.read().split(b"\0")[0].decode(errors="replace")
                with open(f"/proc/{pid}/comm") as f:
                    comm = f.read().strip()
            except OSError:
                continue
            if program.startswith(self.bin + "/") and (not names or comm in {n[:COMM_BYTES] for n in names}) and process.alive(pid):
                found.append(pid)
        return found

    def describe(self):
        daemons = [f"--- {p.name}\n{p.tail(10)}" for p in (self._libvirtd, self._virtlogd) if p is not None]
        logs = []
        for at, _, files in os.walk(self.folder):
            logs += [os.path.join(at, name) for name in files if name.endswith(".log") and not at.endswith("cache")]
        for path in logs:
            with open(path, errors="replace") as f:
                daemons.append(f"--- {path}\n" + "\n".join(f.read().splitlines()[-12:]))
        return "\n".join(daemons)

    # Ending

    def close(self):
        """Ends domains and daemons; returns the complaints."""
        complaints = []
        if self._libvirtd is not None and self._libvirtd.running():
            for name in self.virsh("list", "--name").split():
                self.virsh("destroy", name)
        for p in (self._libvirtd, self._virtlogd):
            if p is not None:
                p.stop()
        return complaints
