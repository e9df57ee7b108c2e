"""A real Pod by `podman play kube`, from images that buildah makes of this build; storage and configuration are the test's own.

SPDX-License-Identifier: Apache-2.0
"""

import glob
import hashlib
import json
import os
import re
import resource
import shutil
import subprocess

from . import process
from .backends import Missing
from .machine import REPOSITORY

STORAGE = os.path.join(REPOSITORY, ".cache/containers")
TOOLS = ("podman", "buildah", "runc", "conmon", "debootstrap")
PODMAN_FAILED = 125  # podman-run(1)
CATATONIT = ("/usr/libexec/podman/catatonit", "/usr/bin/catatonit")


def environment(folder):
    """Nothing of the machine's own containers is seen, and nothing of its configuration is used."""
    os.makedirs(STORAGE, exist_ok=True)
    storage, engine = os.path.join(STORAGE, "storage.conf"), os.path.join(folder, "containers.conf")
    with open(storage, "w") as f:
        f.write(f'[storage]\ndriver = "overlay"\ngraphroot = "{STORAGE}/storage"\nrunroot = "{STORAGE}/run"\n')
    with open(engine, "w") as f:
        f.write('[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n'
                f'tmp_dir = "{STORAGE}/tmp"\nvolume_path = "{STORAGE}/volumes"\n[containers]\ndefault_ulimits = {_ulimits()}\n')
    return dict(os.environ, CONTAINERS_STORAGE_CONF=storage, CONTAINERS_CONF=engine)


def _ulimits():
    """Limits that need no CAP_SYS_RESOURCE: podman's own default is above the machine's open files, and buildah has lowered the
    processes to its default before it looks here."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return json.dumps([f"nofile={files}:{files}", "nproc=32768:32768"])


def require():
    if os.geteuid() != 0:
        raise Missing("images and pods are made as root here")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or not any(os.path.exists(path) for path in CATATONIT):
        raise Missing(f"{missing or 'catatonit'} is not installed; run scripts/install-deps.sh")


def _fingerprint(programs):
    digest = hashlib.sha256()
    names = sorted(glob.glob(os.path.join(programs, "*")) + glob.glob(os.path.join(REPOSITORY, "deploy/images/*.Containerfile")) +
                   [os.path.join(REPOSITORY, "scripts", name) for name in ("images.sh", "build-guest.sh")] +
                   glob.glob(os.path.join(REPOSITORY, "tests/guest/*")))
    for name in names:
        if os.path.isfile(name):
            with open(name, "rb") as f:
                digest.update(hashlib.sha256(f.read()).digest())
    return digest.hexdigest()


def build_images(env, programs, log):
    """Sidecar and demo-launcher, unless they are there and made of these very programs."""
    mark, wanted = os.path.join(STORAGE, "images-of"), _fingerprint(programs)
    if os.path.exists(mark):
        with open(mark) as f:
            if f.read() == wanted:
                return
    for command in (["scripts/package.sh"], ["scripts/images.sh", "--from-host", "--only=sidecar,demo-launcher"]):
        with open(log, "ab") as f:
            done = subprocess.run(command, cwd=REPOSITORY, env=env, stdin=subprocess.DEVNULL, stdout=f, stderr=f)
        if done.returncode != 0:
            with open(log, errors="replace") as f:
                failure = f"{command[0]} failed with exit code {done.returncode}\n{f.read()[-3000:]}"
            raise Missing(failure) if done.returncode == os.EX_UNAVAILABLE else RuntimeError(failure)
    with open(mark, "w") as f:
        f.write(wanted)


def image(name):
    with open(os.path.join(REPOSITORY, "CMakeLists.txt")) as f:
        return f"localhost/rendercar/{name}:" + re.search(r"project\(rendercar VERSION ([0-9.]+)", f.read())[1]


def require_containers(env):
    """That podman can start any container here: it has an exit code of its own for that."""
    done = subprocess.run(["podman", "run", "--rm", "--network=host", "--entrypoint=/bin/true", image("sidecar")], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    if done.returncode == PODMAN_FAILED:
        raise Missing(f"podman cannot run a container on this machine:\n{done.stdout[-3000:]}")
    if done.returncode != 0:
        raise RuntimeError(f"/bin/true in the sidecar's image: exit code {done.returncode}\n{done.stdout[-3000:]}")


def release_storage():
    """podman leaves its storage mounted on itself; nobody could remove the folder."""
    subprocess.run(["umount", os.path.join(STORAGE, "storage/overlay")], stderr=subprocess.DEVNULL)


class Pod:
    """`play()`, use, `down()`."""

    def __init__(self, env, yaml, folder):
        self.env, self.folder, self.yaml = env, folder, os.path.join(folder, "pod.yaml")
        with open(self.yaml, "w") as f:
            f.write(yaml)

    def podman(self, *arguments, check=True):
        """What it prints; its warnings, of which it has many, only stand in the error."""
        done = subprocess.run(["podman", *arguments], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=180)
        if check and done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(arguments)}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def play(self):
        self.podman("play", "kube", "--start=true", self.yaml)
        return self

    def down(self):
        return self.podman("play", "kube", "--down", self.yaml, check=False)

    def containers(self):
        return self.podman("ps", "--all", "--format", "{{.Names}}").split()

    def inspect(self, container):
        return json.loads(self.podman("inspect", container))[0]

    def pid(self, container):
        return self.inspect(container)["State"]["Pid"]

    def running(self, container):
        return self.inspect(container)["State"]["Running"]

    def root(self, container):
        """The container's file system, seen from here."""
        return f"/proc/{self.pid(container)}/root"

    def status(self, container):
        """/proc/PID/status of the container's first process, as a dictionary."""
        with open(f"/proc/{self.pid(container)}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def logs(self, container):
        """Both streams of the container."""
        done = subprocess.run(["podman", "logs", container], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=180)
        return done.stdout

    def execute(self, container, *command):
        return self.podman("exec", container, *command)

    def wait_log(self, container, line, count, timeout_s):
        """Waits until `line` stands in the container's log for the `count`th time."""
        def look():
            if not self.running(container):
                raise RuntimeError(f"container {container} ended:\n{self.logs(container)[-2000:]}")
            return self.logs(container).count(line) >= count
        try:
            process.wait_until(look, timeout_s, f"'{line}' in the log of {container}", interval_s=1)
        except TimeoutError as e:
            raise RuntimeError(f"{e}\n{self.logs(container)[-2000:]}\n{self.logs('vm-rendercar')[-2000:]}") from e
