// The head of the page: the invitation to the tour, which is there until it is answered, and the
// presentation. app/page/ui.py has its HTML.
import { closeListsOnTab } from "./lists.js";
import { isPresented, makePresenter } from "./present.js";
import { hasSeen, makeTour, noteSeen } from "./tour.js";

/** @import { View } from "./types.d.ts" */

const getStore = () => window.localStorage;

/** @param {View} view */
export function mount({ element }) {
  /** @type {HTMLElement} */
  const host = element.closest("main > *"); // holds everything
  const tools = element.querySelector(".sv-tools");
  const [start, later, present] = tools.querySelectorAll("button");
  const tour = makeTour(host, start);
  const presenter = makePresenter(host, present);

  /** @param {boolean} isInviting */
  function show(isInviting) {
    tools.classList.toggle("sv-inviting", isInviting);
  }

  function answer() {
    noteSeen(getStore);
    show(false);
  }

  start.addEventListener("click", () => {
    answer();
    tour.start();
  });
  later.addEventListener("click", () => {
    answer();
    start.focus(); // what had it is gone
  });
  present.addEventListener("click", () => {
    tour.end();
    presenter.enter();
  });
  show(!hasSeen(getStore));

  closeListsOnTab(host);

  // The tabs come after this.
  function presentWhenThere() {
    if (host.querySelector("#sv-tabs [role=tab]")) presenter.enter(true);
    else requestAnimationFrame(presentWhenThere);
  }
  if (isPresented(location.search)) presentWhenThere();
}
