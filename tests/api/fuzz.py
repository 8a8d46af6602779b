"""Starts a node, lets schemathesis at it, and says what came of it."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
# Streams have no end, a WebSocket no answer, and a node that leaves takes nobody: these are tried by tests of their own.
LEFT_OUT = [
    "streamEvents", "streamNodeEvents", "streamWhepEvents", "traceTransport", "traceProducer", "traceConsumer",
    "openDirectTransport", "drainNode", "cordonNode", "killDevNode", "startDevNode", "listDevNodes",
]
CHECKS = "no_fault_of_the_server,status_code_conformance,content_type_conformance,response_schema_conformance"


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def ready(url, process):
    for _ in range(200):
        if process.poll() is not None:
            sys.exit("the node ended: is another one running?")
        try:
            urllib.request.urlopen(url + "/readyz", timeout=1)
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("the node is not ready")


def figures(url, token):
    request = urllib.request.Request(url + "/metrics", headers={"authorization": "Bearer " + token})
    text = urllib.request.urlopen(request, timeout=10).read().decode()
    found = re.findall(r'^starling_http_answers_total\{status="(\dxx)"\} (\d+)', text, re.M)
    return {status: int(count) for status, count in found}


def main():
    program, cases = sys.argv[1], int(sys.argv[2])
    reports = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    port, token = free_port(), secrets.token_hex(32)
    url = f"http://127.0.0.1:{port}"
    environment = dict(
        os.environ, STARLING_ID="node-1", STARLING_LISTEN=f"127.0.0.1:{port}", STARLING_API_URL=url,
        STARLING_ADMIN_TOKEN=token, STARLING_TOKEN_SECRET=secrets.token_hex(32), STARLING_RTC_LISTEN="127.0.0.1",
        STARLING_ADMIN_LISTEN="listen", STARLING_WORKERS="1", STARLING_RTC_PORT=str(free_port()),
        STARLING_LINK_LISTEN="127.0.0.1:0", STARLING_LOG="warn",
    )
    log = open(reports / "api-fuzz.node.log", "w")
    node = subprocess.Popen([program, "node"], env=environment, stdout=log, stderr=log)
    try:
        ready(url, node)
        described = json.load(urllib.request.urlopen(url + "/openapi.json"))
        names = [it["operationId"] for item in described["paths"].values() for it in item.values()]
        tried = [name for name in names if name not in LEFT_OUT]
        each = max(1, cases // len(tried))
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", url + "/openapi.json", "--checks", CHECKS,
            "--header", "Authorization: Bearer " + token, "--max-examples", str(each),
            # More would race in Python 3.11 ("AST constructor recursion depth mismatch").
            "--workers", "1",
            "--phases", "examples,coverage,fuzzing", "--seed", os.environ.get("SEED", "1"), "--request-timeout", "20",
            "--continue-on-failure", "--no-color", "--suppress-health-check", "all",
            "--report", "junit", "--report-junit-path", str(reports / "api-fuzz.xml"),
        ]
        for name in LEFT_OUT:
            command += ["--exclude-operation-id", name]
        fuzzed = dict(os.environ, FUZZ_URL=url, FUZZ_TOKEN=token, SCHEMATHESIS_HOOKS="hooks", PYTHONPATH=str(HERE))
        code = subprocess.run(command, env=fuzzed).returncode
        alive = node.poll() is None
        answers = figures(url, token) if alive else {}
        total = sum(answers.values())
        print(f"api-fuzz: {len(tried)} operations, {total} requests answered: {answers}; node alive: {alive}")
        report = {"operations": len(tried), "requests": total, "answers": answers, "alive": alive, "code": code}
        (reports / "api-fuzz.json").write_text(json.dumps(report, indent=2) + "\n")
        sys.exit(code if alive else 1)
    finally:
        node.send_signal(signal.SIGKILL)
        node.wait()


main()
