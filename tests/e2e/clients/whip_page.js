// WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) in a browser's page, by their text: the offer goes out before
// anything is gathered, candidates follow by PATCH, STUN and TURN servers come with the answer. No module: it is
// put into a page that has nothing else.

/* exported whip */
const whip = {
  sessions: {},

  /** Publishes the camera, or only the microphone, under a name of ours. */
  async publish(name, url, options) {
    const { width, height, fps } = options.camera;
    const video = { width: Number(width), height: Number(height), frameRate: Number(fps) };
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: true });
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const [sound] = stream.getAudioTracks();
    const [picture] = stream.getVideoTracks();
    pc.addTransceiver(sound, { direction: 'sendonly', streams: [stream] });
    pc.addTransceiver(picture, {
      direction: 'sendonly',
      streams: [stream],
      sendEncodings: options.simulcast
        ? [['q', 4, 150], ['h', 2, 300], ['f', 1, 800]].map(([rid, scaleResolutionDownBy, kbps]) =>
          ({ rid, scaleResolutionDownBy, maxBitrate: kbps * 1000 }))
        : [{}],
    });
    return whip.start(name, pc, url, options);
  },

  /** Plays into elements of the page. */
  async play(name, url, options) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    for (const kind of ['audio', 'video']) pc.addTransceiver(kind, { direction: 'recvonly' });
    pc.ontrack = ({ track }) => {
      const element = document.createElement(track.kind);
      Object.assign(element, { autoplay: true, muted: true, srcObject: new MediaStream([track]) });
      document.body.append(element);
    };
    return whip.start(name, pc, url, options);
  },

  async start(name, pc, url, options) {
    const session = { name, pc, patches: [], waiting: [], states: [], token: options.token };
    const offer = await pc.createOffer();
    const posted = await fetch(url, {
      method: 'POST',
      headers: { ...whip.bearer(session), 'content-type': 'application/sdp' },
      body: offer.sdp,
    });
    const text = await posted.text();
    if (posted.status !== 201) throw new Error(`${posted.status} ${text}`);
    session.url = new URL(posted.headers.get('location'), posted.url).href;
    session.etag = posted.headers.get('etag');
    session.links = whip.links(posted.headers.get('link') ?? '');
    const servers = session.links.filter(({ rel }) => rel === 'ice-server');
    const iceServers = servers.map(({ url: urls, username, credential }) => ({ urls, username, credential }));
    pc.setConfiguration({ ...pc.getConfiguration(), iceServers });
    pc.onicecandidate = ({ candidate }) => {
      session.waiting.push(candidate?.candidate ? `a=${candidate.candidate}` : 'a=end-of-candidates');
      session.trickling ??= setTimeout(() => whip.trickle(session), 50);
    };
    pc.oniceconnectionstatechange = () => {
      session.states.push({ state: pc.iceConnectionState, at: performance.now() });
    };
    whip.sessions[name] = session;
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: 'answer', sdp: text });
    return { url: session.url, etag: session.etag, redirected: posted.redirected, posted: posted.url };
  },

  async trickle(session) {
    session.trickling = null;
    const lines = session.waiting.splice(0);
    const answer = await whip.patch(session.name, lines, session.etag);
    session.patches.push(answer.status);
  },

  /** PATCHes with the present credentials and these lines. */
  async patch(name, lines, etag) {
    const session = whip.sessions[name];
    const [ufrag, pwd, media, mid] = ['a=ice-ufrag', 'a=ice-pwd', 'm', 'a=mid'].map((what) =>
      session.pc.localDescription.sdp.split('\r\n').find((line) => line.startsWith(`${what}${what === 'm' ? '=' : ':'}`)));
    const body = [ufrag, pwd, media, mid, ...lines, ''].join('\r\n');
    const headers = { ...whip.bearer(session), 'content-type': 'application/trickle-ice-sdpfrag' };
    if (etag) headers['if-match'] = etag;
    const answer = await fetch(session.url, { method: 'PATCH', headers, body });
    return { status: answer.status, etag: answer.headers.get('etag'), text: await answer.text() };
  },

  /** Restarts ICE: new credentials on both sides, and nothing else changes. */
  async restart(name) {
    const session = whip.sessions[name];
    const { pc } = session;
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    const answer = await whip.patch(name, [], '*');
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    const line = (what) => new RegExp(`^a=${what}:(.*)$`, 'm').exec(answer.text)[1].trim();
    const [ufrag, pwd] = ['ice-ufrag', 'ice-pwd'].map(line);
    const sdp = pc.remoteDescription.sdp
      .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${ufrag}`)
      .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${pwd}`);
    await pc.setRemoteDescription({ type: 'answer', sdp });
    session.etag = answer.etag;
    return { etag: answer.etag, ufrag };
  },

  async layer(name, wish) {
    const session = whip.sessions[name];
    const { url } = session.links.find(({ rel }) => rel.endsWith(':layer'));
    const answer = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(wish),
    });
    return answer.status;
  },

  /** Listens to the session's events; they are kept by name. */
  async listen(name, wanted) {
    const session = whip.sessions[name];
    const { url } = session.links.find(({ rel }) => rel.endsWith(':server-sent-events'));
    const made = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(wanted),
    });
    const source = new EventSource(made.headers.get('location'));
    session.events = {};
    for (const event of wanted) {
      source.addEventListener(event, ({ data }) => { session.events[event] = JSON.parse(data); });
    }
    return made.status;
  },

  async end(name) {
    const { url, pc } = whip.sessions[name];
    // A connection that closes first ends the session, and there is nothing left to DELETE.
    const { status } = await fetch(url, { method: 'DELETE' });
    pc.close();
    return status;
  },

  /** What one wants to know of a session. */
  async look(name) {
    const session = whip.sessions[name];
    const seen = { patches: session.patches, states: session.states, events: session.events ?? {}, now: performance.now() };
    const report = await session.pc.getStats();
    const all = [...report.values()];
    const [pair] = all.filter((it) => it.type === 'candidate-pair' && it.nominated && it.state === 'succeeded')
      .sort((one, other) => other.lastPacketSentTimestamp - one.lastPacketSentTimestamp);
    const local = pair && report.get(pair.localCandidateId);
    const of = (type, kind) => all.find((it) => it.type === type && it.kind === kind) ?? {};
    return {
      ...seen,
      state: session.pc.iceConnectionState,
      local: local && { type: local.candidateType, ufrag: local.usernameFragment, way: local.relayProtocol },
      video: of('inbound-rtp', 'video'),
      audio: of('inbound-rtp', 'audio'),
      sent: all.filter((it) => it.type === 'outbound-rtp' && it.kind === 'video')
        .map(({ rid, framesSent, frameWidth }) => ({ rid, framesSent, frameWidth })),
    };
  },

  bearer({ token }) {
    return token ? { authorization: `Bearer ${token}` } : {};
  },

  /** `Link` headers (RFC 8288), which fetch has joined. */
  links(text) {
    return text.split(/,\s*(?=<)/).filter(Boolean).map((link) => {
      const [, url, rest] = /^<([^>]*)>(.*)$/.exec(link);
      const named = [...rest.matchAll(/;\s*([a-z-]+)="((?:[^"\\]|\\.)*)"/g)];
      return { url, ...Object.fromEntries(named.map(([, key, value]) => [key, value.replace(/\\(.)/g, '$1')])) };
    });
  },
};
globalThis.whip = whip;
