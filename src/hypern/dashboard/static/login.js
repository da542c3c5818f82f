// Signing in: by the form, or by a token after the # of the address, which no server and no log ever sees.

const form = document.getElementById("form");
const field = document.getElementById("token");
const problem = document.getElementById("problem");
const button = form.querySelector("button");

async function signIn(token) {
  button.disabled = true;
  problem.hidden = true;
  try {
    const answer = await fetch("api/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) {
      location.reload();
      return;
    }
    const said = await answer.json().catch(() => ({}));
    tell(said.message || `The server answered ${answer.status}.`);
  } catch {
    tell("The server cannot be reached.");
  }
  button.disabled = false;
  field.select();
}

function tell(message) {
  problem.textContent = message;
  problem.hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(field.value.trim());
});

const given = /^#token=([\w-]+)$/.exec(location.hash);
if (given) {
  // Taken out of the address, and out of the history, before anything else.
  history.replaceState(null, "", location.pathname + location.search);
  signIn(given[1]);
}
