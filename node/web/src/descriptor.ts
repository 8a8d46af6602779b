// The dependency descriptor on what is sent: where nobody but the others can read a frame, key frames and
// layers are told by this header extension alone. Never does: touch a packet.

const DESCRIPTOR =
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

type Describe = (this: RTCPeerConnection, to: RTCSessionDescriptionInit) => Promise<void>;

/** For mediasoup-client's device: Chromium offers it by itself only where there are layers. */
export const offered = { [DESCRIPTOR]: true };

/** The answer with the descriptor wherever the offer has it. */
export function answered(offer: string, answer: string): string {
  const offers = sections(offer);
  const lines = sections(answer).map((section, index) => {
    const line = offers[index]?.find((line) => line.endsWith(DESCRIPTOR));
    const missing = line && !section.some((line) => line.endsWith(DESCRIPTOR));
    return missing && !section[0]!.startsWith('m=video 0 ') ? [...section, line] : section;
  });
  return `${lines.flat().join('\r\n')}\r\n`;
}

/** mediasoup-client's answers have it with AV1 and H.264 only (`RemoteSdp.ts`). */
export function answerAlways(): void {
  const set: Describe = RTCPeerConnection.prototype.setRemoteDescription;
  const described: Describe = function (description) {
    const offer = this.localDescription?.sdp;
    if (description.type !== 'answer' || !offer) return set.call(this, description);
    return set.call(this, { type: 'answer', sdp: answered(offer, description.sdp ?? '') });
  };
  RTCPeerConnection.prototype.setRemoteDescription = described;
}

/** What stands before the first m-line, and each m-line with what follows it. */
function sections(sdp: string): string[][] {
  const all: string[][] = [[]];
  for (const line of sdp.split(/\r?\n/).filter(Boolean)) {
    if (line.startsWith('m=')) all.push([]);
    all.at(-1)!.push(line);
  }
  return all;
}
