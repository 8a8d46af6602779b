"""GStreamer's webrtcbin as a WHIP publisher or a WHEP player. Its whip and whep elements are part of
gst-plugins-rs, which Debian does not have; what they do beside webrtcbin is the HTTP below.

    gstreamer_client.py publish URL SECONDS [vp8|h264]
    gstreamer_client.py play URL SECONDS VIDEO:AUDIO [vp8|h264]

A publisher goes on until SIGTERM, a player until it has decoded so many frames of each, both SECONDS at
most. Prints one line of JSON: how many buffers were sent, or frames decoded.
"""

import json
import signal
import sys
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

WHAT, URL, SECONDS, *REST = sys.argv[1:]
WANTED = [int(count) for count in REST.pop(0).split(":")] if WHAT == "play" else None
CODEC = REST[0] if REST else "vp8"

ENCODE = {
    "vp8": "vp8enc deadline=1 cpu-used=8 target-bitrate=300000 keyframe-max-dist=60 ! rtpvp8pay pt=96",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=300 key-int-max=60 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 pt=96",
}
NAME = {"vp8": "VP8", "h264": "H264"}[CODEC]
MORE = {"vp8": "", "h264": ",packetization-mode=(string)1,profile-level-id=(string)42e01f"}[CODEC]
VIDEO = f"application/x-rtp,media=video,encoding-name={NAME},payload=96,clock-rate=90000{MORE}"
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2"

counts = {"audio": 0, "video": 0}
loop = GLib.MainLoop()


def http(method, url, body=None):
    data = body and body.encode()
    request = urllib.request.Request(url, data, {"content-type": "application/sdp"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read().decode()


def count(pad, kind):
    def seen(_pad, _info):
        counts[kind] += 1
        if WANTED and counts["video"] >= WANTED[0] and counts["audio"] >= WANTED[1]:
            loop.quit()
        return Gst.PadProbeReturn.OK

    pad.add_probe(Gst.PadProbeType.BUFFER, seen)


def publisher():
    line = f"""webrtcbin name=rtc bundle-policy=max-bundle
        videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1
          ! {ENCODE[CODEC]} ! {VIDEO} ! identity name=video ! rtc.
        audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! opusenc
          ! rtpopuspay pt=97 ! {AUDIO} ! identity name=audio ! rtc."""
    pipeline = Gst.parse_launch(line)
    for kind in counts:
        count(pipeline.get_by_name(kind).get_static_pad("src"), kind)
    rtc = pipeline.get_by_name("rtc")
    for index in range(2):
        rtc.emit("get-transceiver", index).set_property(
            "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
        )
    return pipeline, rtc


def player():
    pipeline = Gst.Pipeline()
    rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
    rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    pipeline.add(rtc)
    for caps in (AUDIO, VIDEO):
        rtc.emit(
            "add-transceiver",
            GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
            Gst.Caps.from_string(caps),
        )

    def on_pad(_rtc, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decode = Gst.parse_bin_from_description("decodebin name=decode", False)
        decode.add_pad(Gst.GhostPad.new("sink", decode.get_by_name("decode").get_static_pad("sink")))
        pipeline.add(decode)

        def on_decoded(_decode, decoded):
            sink = Gst.ElementFactory.make("fakesink")
            sink.set_property("async", False)
            decode.add(sink)
            count(decoded, kind)
            decoded.link(sink.get_static_pad("sink"))
            sink.sync_state_with_parent()

        decode.get_by_name("decode").connect("pad-added", on_decoded)
        decode.sync_state_with_parent()
        pad.link(decode.get_static_pad("sink"))

    rtc.connect("pad-added", on_pad)
    return pipeline, rtc


def main():
    Gst.init(None)
    pipeline, rtc = publisher() if WHAT == "publish" else player()
    location = []

    def set_description(side, kind, text):
        _, message = GstSdp.SDPMessage.new_from_text(text)
        kind = getattr(GstWebRTC.WebRTCSDPType, kind)
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        rtc.emit(f"set-{side}-description", description, Gst.Promise.new())

    # Called on webrtcbin's thread, where HTTP may block.
    def post(*_):
        sdp = rtc.get_property("local-description").sdp.as_text()
        headers, answer = http("POST", URL, sdp)
        location.append(headers["location"])
        set_description("remote", "ANSWER", answer)
        return False

    def gathered(*_):
        if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(post)

    def offered(promise, *_):
        # The offer lives in the reply, which must be kept while it is read.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        set_description("local", "OFFER", offer.sdp.as_text())

    asked = []

    def negotiate(*_):
        if not asked:
            asked.append(True)
            rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))

    rtc.connect("notify::ice-gathering-state", gathered)
    rtc.connect("on-negotiation-needed", negotiate)
    pipeline.set_state(Gst.State.PLAYING)
    GLib.timeout_add(int(float(SECONDS) * 1000), loop.quit)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()
    counts["state"] = rtc.get_property("connection-state").value_nick
    print(json.dumps(counts), flush=True)
    for url in location:
        http("DELETE", url)
    pipeline.set_state(Gst.State.NULL)


main()
