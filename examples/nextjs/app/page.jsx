import { Session } from "./session-status.jsx";
import { currentSession } from "./session.js";

export default async function Home() {
  const session = await currentSession();
  return (
    <main>
      <h1>{session ? `Signed in as ${session.sub}` : "Not signed in"}</h1>
      {session ? (
        <form method="post" action="/sign-out">
          <button>Sign out</button>
        </form>
      ) : (
        <a href="/auth?redirectToPath=/">Sign in</a>
      )}
      <Session isKnown={session !== null} />
    </main>
  );
}
