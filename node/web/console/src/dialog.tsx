// The question before something is done, and the sentences afterwards.

import { useEffect, useRef, useState } from 'preact/hooks';
import { attempt, question, said, unsay } from './say';

/** What does harm is not what Enter does at once. */
export function Dialog() {
  const host = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const now = question.value;
  useEffect(() => {
    if (now && !host.current?.open) host.current?.showModal();
    if (!now && host.current?.open) host.current.close();
  }, [now]);
  const close = () => { question.value = null; };
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!now || busy) return;
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    const good = await attempt(() => now.act(form), now.done);
    setBusy(false);
    if (good) close();
  };
  return (
    <dialog ref={host} onClose={close} aria-labelledby="question">
      {now && (
        <form onSubmit={(event) => void submit(event as SubmitEvent)}>
          <h2 id="question">{now.title}</h2>
          {typeof now.body === 'string' ? <p>{now.body}</p> : now.body}
          <div class="actions">
            <button type="button" onClick={close} autofocus={now.danger}>Cancel</button>
            <button type="submit" class={now.danger ? 'danger full' : 'primary'} disabled={busy} autofocus={!now.danger}>
              {busy ? 'Asking the node…' : now.verb}
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}

export function Said() {
  return (
    <div class="said" role="status" aria-live="polite">
      {said.value.map(({ number, text, hint, bad }) => (
        <p key={number} class={bad ? 'bad' : ''}>
          <span><strong>{text}</strong>{hint && ` ${hint}`}</span>
          <button type="button" aria-label="Dismiss" onClick={() => unsay(number)}>×</button>
        </p>
      ))}
    </div>
  );
}
