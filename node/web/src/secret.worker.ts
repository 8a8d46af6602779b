// Encrypts whole frames, and decrypts them: AES-GCM, the initialisation vector behind the frame.
// Nothing is left in the clear: nodes tell key frames and layers by a header extension.
// Never does: let a frame through that it could not decrypt.

export {};

/** Bytes of an initialisation vector (NIST SP 800-38D §8.2.2: random ones, for 2^32 frames a key). */
const VECTOR = 12;

type Frame = RTCEncodedVideoFrame | RTCEncodedAudioFrame;
type Task = 'encrypt' | 'decrypt';

/** As the browser gives it; TypeScript's list of what a page has lacks it. */
interface Transforming extends Event {
  transformer: {
    readable: ReadableStream<Frame>;
    writable: WritableStream<Frame>;
    options: { task: Task; key: CryptoKey };
  };
}

async function encrypted(data: ArrayBuffer, key: CryptoKey): Promise<ArrayBuffer> {
  const iv = crypto.getRandomValues(new Uint8Array(VECTOR));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, data));
  const frame = new Uint8Array(sealed.length + VECTOR);
  frame.set(sealed);
  frame.set(iv, sealed.length);
  return frame.buffer;
}

function decrypted(data: ArrayBuffer, key: CryptoKey): Promise<ArrayBuffer> {
  const end = Math.max(0, data.byteLength - VECTOR);
  const iv = new Uint8Array(data, end);
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, new Uint8Array(data, 0, end));
}

addEventListener('rtctransform', (event) => {
  const { transformer } = event as Transforming;
  const { task, key } = transformer.options;
  const apply = task === 'encrypt' ? encrypted : decrypted;
  const frames = new TransformStream<Frame, Frame>({
    async transform(frame, out) {
      try {
        frame.data = await apply(frame.data, key);
      } catch {
        return;
      }
      out.enqueue(frame);
    },
  });
  void transformer.readable.pipeThrough(frames).pipeTo(transformer.writable);
});
