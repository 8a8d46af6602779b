"""aiortc as a WHIP publisher or a WHEP player.

    aiortc_client.py publish URL SECONDS [CODEC]
    aiortc_client.py play URL SECONDS VIDEO:AUDIO [CODEC]

A publisher goes on until SIGTERM, a player until it has decoded so many frames of each, both SECONDS at
most. Prints one line of JSON: what was sent, or how many frames were decoded.
"""

import array
import asyncio
import json
import math
import signal
import sys
import urllib.request

import av
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

WHAT, URL, SECONDS, *REST = sys.argv[1:]
WANTED = [int(count) for count in REST.pop(0).split(":")] if WHAT == "play" else None
CODEC = REST[0] if REST else "video/VP8"


class Picture(VideoStreamTrack):
    """A bar that wanders, at 30 frames a second."""

    def __init__(self):
        super().__init__()
        self.count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(320, 180, "yuv420p")
        for plane, grey in zip(frame.planes, (40, 128, 128)):
            row = bytearray([grey]) * plane.line_size
            if plane is frame.planes[0]:
                row[self.count * 4 % 300 : self.count * 4 % 300 + 20] = bytes([200]) * 20
            plane.update(bytes(row) * plane.height)
        frame.pts, frame.time_base = pts, time_base
        self.count += 1
        return frame


class Tone(AudioStreamTrack):
    """Silence would do; a tone is heard."""

    def __init__(self):
        super().__init__()
        self.count = 0

    async def recv(self):
        frame = await super().recv()
        rate = frame.sample_rate
        wave = array.array("h", (
            int(8000 * math.sin(2 * math.pi * 440 * at / rate))
            for at in range(self.count, self.count + frame.samples)
        ))
        self.count += frame.samples
        frame.planes[0].update(wave.tobytes())
        return frame


def http(method, url, body=None, kind="application/sdp"):
    request = urllib.request.Request(url, body and body.encode(), {"content-type": kind}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


def preferred(kind, capabilities):
    video = [codec for codec in capabilities.codecs if codec.mimeType.lower() == CODEC.lower()]
    return video or capabilities.codecs


async def main():
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    counts = {"audio": 0, "video": 0}
    picture = Picture()
    done = asyncio.Event()

    async def drain(track):
        try:
            while True:
                await track.recv()
                counts[track.kind] += 1
                if counts["video"] >= WANTED[0] and counts["audio"] >= WANTED[1]:
                    done.set()
        except MediaStreamError:
            pass

    if WHAT == "publish":
        peer.addTransceiver(Tone(), direction="sendonly")
        video = peer.addTransceiver(picture, direction="sendonly")
        video.setCodecPreferences(preferred("video", RTCRtpSender.getCapabilities("video")))
    else:
        peer.addTransceiver("audio", direction="recvonly")
        video = peer.addTransceiver("video", direction="recvonly")
        video.setCodecPreferences(preferred("video", RTCRtpReceiver.getCapabilities("video")))
        peer.on("track", lambda track: asyncio.ensure_future(drain(track)))

    await peer.setLocalDescription(await peer.createOffer())
    loop = asyncio.get_running_loop()
    headers, answer = await loop.run_in_executor(
        None, http, "POST", URL, peer.localDescription.sdp
    )
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    loop.add_signal_handler(signal.SIGTERM, done.set)
    try:
        await asyncio.wait_for(done.wait(), float(SECONDS))
    except asyncio.TimeoutError:
        pass
    if WHAT == "publish":
        counts["video"] = picture.count
    counts["state"] = peer.connectionState
    await loop.run_in_executor(None, http, "DELETE", headers["location"])
    await peer.close()
    print(json.dumps(counts))


asyncio.run(main())
