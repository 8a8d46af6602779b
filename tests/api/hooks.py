"""What schemathesis cannot know of this API: which things there are. Ids in paths are now and then those of real
rooms, peers, transports, producers and consumers, so that more than refusals is tried."""

import json
import os
import random
import threading
import urllib.request

import schemathesis

URL = os.environ["FUZZ_URL"]
TOKEN = os.environ["FUZZ_TOKEN"]
ROOM = "stage"
PEER = "actor"
REAL = {}
LOCK = threading.Lock()
RNG = random.Random(7)


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, method=method)
    request.add_header("authorization", "Bearer " + TOKEN)
    if data is not None:
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        error.read()
        return None
    return json.loads(text) if text else {}


def set_the_stage():
    """Makes one of everything, unless the last one is still there."""
    peer = f"/v1/rooms/{ROOM}/peers/{PEER}"
    ask("POST", "/v1/rooms", {"id": ROOM})
    ask("POST", f"/v1/rooms/{ROOM}/peers", {"id": PEER})
    made = ask("POST", peer + "/transports", {"type": "webrtc"})
    if not made:
        # Its transports are used up, or it was sent away a moment ago.
        ask("DELETE", peer)
        return
    on = f"{peer}/transports/{made['transportId']}"
    codec = {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}
    rtp = {"mid": "0", "codecs": [codec], "encodings": [{"ssrc": 1111}]}
    producer = ask("POST", on + "/producers", {"kind": "audio", "rtpParameters": rtp}) or {}
    theirs = ask("GET", f"/v1/rooms/{ROOM}/rtp-capabilities")
    wish = {"producerId": producer.get("producerId", "none"), "rtpCapabilities": theirs}
    consumer = ask("POST", on + "/consumers", wish) or {}
    channel = {"label": "chat", "sctpStreamParameters": {"streamId": 1}}
    data = ask("POST", on + "/data-producers", channel) or {}
    heard = ask("POST", on + "/data-consumers", {"dataProducerId": data.get("dataProducerId", "none")}) or {}
    with LOCK:
        REAL.update(
            {
                "room": ROOM, "peer": PEER, "broadcaster": PEER, "id": "node-1",
                "transport": made["transportId"], "producer": producer.get("producerId"),
                "consumer": consumer.get("consumerId"), "dataProducer": data.get("dataProducerId"),
                "dataConsumer": heard.get("dataConsumerId"),
            }
        )


# Refusals that a client does well to try again, or elsewhere (RFC 9110 §15.6.4): no fault, and nobody's bug.
LATER = {"no_capacity", "draining", "busy", "registry_unavailable"}


@schemathesis.check
def no_fault_of_the_server(ctx, response, case):
    if response.status_code < 500:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    code, detail = problem.get("code"), problem.get("detail", "")
    # Others take away meanwhile what is asked about; a request that takes too long is a fault.
    ended = code == "timeout" and "has just ended" in detail
    assert response.status_code == 503 and (code in LATER or ended), f"{response.status_code} {code} {detail}"


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def session_description(ctx, value):
    return str(value).encode("utf-8", "surrogatepass")


COUNT = 0


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    global COUNT
    with LOCK:
        COUNT += 1
        due = COUNT % 25 == 1
    if due:
        set_the_stage()
    with LOCK:
        for name in path_parameters or {}:
            if REAL.get(name) and RNG.random() < 0.8:
                path_parameters[name] = REAL[name]
    return path_parameters
