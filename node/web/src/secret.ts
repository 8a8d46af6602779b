// What this call's members know and its nodes do not: a key, out of the part of the URL behind `#`,
// which browsers send to nobody. With it every frame is encrypted before it is sent and decrypted
// after it came. Never does: tell anybody, or show what was not encrypted.

/** Rounds of PBKDF2 with SHA-256 (OWASP Password Storage Cheat Sheet, 2023). */
const ROUNDS = 600_000;

export class Secret {
  private constructor(
    private readonly worker: Worker,
    private readonly key: CryptoKey,
  ) {}

  /** The key of a room, from what its members agreed on. */
  static async of(passphrase: string, room: string): Promise<Secret> {
    if (!('RTCRtpScriptTransform' in window)) {
      throw new Error('this browser cannot encrypt what it sends');
    }
    const bytes = new TextEncoder();
    const given = await crypto.subtle.importKey(
      'raw', bytes.encode(passphrase), 'PBKDF2', false, ['deriveKey'],
    );
    const salt = bytes.encode(`starling ${room}`);
    const key = await crypto.subtle.deriveKey(
      { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ROUNDS }, given,
      { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'],
    );
    return new Secret(new Worker('secret.worker.js'), key);
  }

  seal(sender: RTCRtpSender): void {
    sender.transform = this.transform('encrypt');
  }

  open(receiver: RTCRtpReceiver): void {
    receiver.transform = this.transform('decrypt');
  }

  private transform(task: 'encrypt' | 'decrypt'): RTCRtpScriptTransform {
    return new RTCRtpScriptTransform(this.worker, { task, key: this.key });
  }
}
