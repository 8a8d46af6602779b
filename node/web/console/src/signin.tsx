// Who comes without a token, or with one that is refused.

import { refusal, signIn } from './session';
import { capital } from './say';

export function SignIn() {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = String(new FormData(event.currentTarget as HTMLFormElement).get('token') ?? '').trim();
    if (given) signIn(given);
  };
  const why = refusal.value;
  return (
    <main class="signin">
      <form onSubmit={submit} class="card">
        <h1><i class="bird" aria-hidden="true" />Starling</h1>
        <p class="lead">This node's console. It shows the cluster, its rooms and its people.</p>
        {why && <p class="banner bad" role="alert"><span>{capital(why.sentence)}.{why.hint && <> {capital(why.hint)}.</>}</span></p>}
        <label>Admin token
          <input name="token" type="password" autocomplete="off" spellcheck={false} required autofocus />
        </label>
        <button class="primary" type="submit">Sign in</button>
        <p class="note">
          It is the node's <code>STARLING_ADMIN_TOKEN</code>, or any admin token that may read. It is kept in this tab
          only.
        </p>
      </form>
    </main>
  );
}
