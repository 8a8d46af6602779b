"""What the program itself says: which settings and which command lines it takes, and that it serves what probes and
scrapers ask."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PROGRAM = sys.argv[1]


class Wrong(Exception):
    """What a check says when it does not hold."""


def hold(fact, message):
    if not fact:
        raise Wrong(message)


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def accepted(env, command):
    """The program finds one mistake in these settings: the one put there to keep it from starting."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for path in env.values():
            if path.startswith("/etc/starling/"):
                file = place / path.removeprefix("/etc/starling/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(os.urandom(32).hex())
        env = {key: value.replace("/etc/starling", folder) for key, value in env.items()}
        unknown = [key for key in env if key.startswith("STARLING_") and key not in VARIABLES]
        hold(not unknown, f"the program does not know {unknown}")
        env |= {"STARLING_LOG_FORMAT": "on-purpose", "PATH": os.environ["PATH"]}
        command = [word.replace("/etc/starling", folder) for word in command]
        output = subprocess.run([PROGRAM, *command], env=env, capture_output=True, text=True, timeout=30)
        told = output.stderr.strip().splitlines()
        hold(output.returncode == 2, f"ended with {output.returncode}: {told}")
        hold(len(told) == 1 and "log_format" in told[0], "\n".join(told))


def variables():
    known = set()
    for words in (["node"], ["nodes", "drain"]):
        output = subprocess.run([PROGRAM, *words, "--help"], check=True, capture_output=True, text=True)
        known |= set(re.findall(r"\[env: (STARLING_[A-Z_]+)", output.stdout))
    secrets = {name.removesuffix("_FILE") for name in known if name.endswith("_FILE")}
    return known | secrets | {"STARLING_CONFIG"}


def takes(words, env):
    """Whether the command line is one: it goes on to ask a server that is not there."""
    env = env | {"PATH": os.environ["PATH"], "STARLING_TOKEN": "x"}
    output = subprocess.run([PROGRAM, *words], env=env, capture_output=True, text=True, timeout=30)
    return output.returncode == 5


def probes():
    """What probes and the scraper ask is served."""
    port = free(socket.SOCK_STREAM)
    server = f"http://127.0.0.1:{port}"
    command = [PROGRAM, "dev", "--port", port, "--host", "127.0.0.1", "--workers", "1"]
    command += ["--admin-token", "a" * 8 + os.urandom(16).hex()]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
        try:
            for path in ("/livez", "/readyz", "/metrics"):
                body = asked(server + path)
                hold(path != "/metrics" or "starling_stress" in body, "no starling_stress to scale by")
        finally:
            node.terminate()
            node.wait(timeout=20)


def watched():
    """A node tells systemd when it serves, that it lives, and that it drains."""
    with tempfile.TemporaryDirectory() as folder:
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(f"{folder}/notify")
        heard.settimeout(15)
        env = {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "600000", "STARLING_WORKERS": "1"}
        env |= {"STARLING_RTC_PORT": free(socket.SOCK_DGRAM), "STARLING_LISTEN": f"127.0.0.1:{free(socket.SOCK_STREAM)}"}
        env |= {"STARLING_ADMIN_LISTEN": f"127.0.0.1:{free(socket.SOCK_STREAM)}"}
        env |= {"STARLING_LINK_LISTEN": f"127.0.0.1:{free(socket.SOCK_DGRAM)}", "STARLING_RTC_LISTEN": "127.0.0.1"}
        env |= {f"STARLING_{name}": os.urandom(32).hex() for name in ("TOKEN_SECRET", "ADMIN_TOKEN")}
        with subprocess.Popen([PROGRAM, "node"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as node:
            try:
                told = [heard.recv(64).decode() for _ in range(4)]
                hold(told == ["READY=1"] + ["WATCHDOG=1"] * 3, f"told {told}")
                node.terminate()
                while (last := heard.recv(64).decode()) == "WATCHDOG=1":
                    pass
                hold(last == "STOPPING=1", f"told {last}")
                hold(node.wait(timeout=20) == 0, f"ended with {node.returncode}")
            finally:
                node.kill()


def free(kind):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def asked(url):
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise Wrong(f"{url}: {error}") from error
        except OSError:
            pass
        time.sleep(0.1)
    raise Wrong(f"{url} was not answered with 200 in 10 s")


VARIABLES = variables()
