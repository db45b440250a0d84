"use strict";
// One pair after another; answers stay in this page until they are saved as a file.
const questions = Array.from(document.querySelectorAll("template.question"), (each) => each.dataset);
const answers = [];
const milliseconds = [];
const part = (id) => document.getElementById(id);
let since = 0;

function show() {
  const ended = answers.length === questions.length;
  part("ask").hidden = ended;
  part("end").hidden = !ended;
  part("keep").hidden = answers.length === 0;
  if (ended) return;
  const question = questions[answers.length];
  part("label").textContent = question.label;
  for (const side of ["left", "right"]) part(side).firstElementChild.src = question[side];
  part("progress").textContent = `${answers.length + 1} of ${questions.length}`;
  since = performance.now();
}

function answer(side) {
  if (part("ask").hidden) return;
  answers.push(side);
  milliseconds.push(Math.round(performance.now() - since));
  show();
}

function back() {
  if (part("begin").hidden === false || answers.length === 0) return;
  answers.pop();
  milliseconds.pop();
  show();
}

function record() {
  const person = part("person").value.trim() || "somebody";
  return { page: document.body.dataset.page, person, answers, milliseconds };
}

function save() {
  const link = document.createElement("a");
  link.href = `data:application/json,${encodeURIComponent(JSON.stringify(record()))}`;
  link.download = `answers-${record().person.replace(/[^\w-]+/g, "-")}.json`;
  link.click();
}

function begin() {
  part("begin").hidden = true;
  part("ask").hidden = false;
  show();
}

// The pixels of small pictures are meant to be seen; large ones are shrunk smoothly.
const SMALL = 128;
for (const image of document.querySelectorAll("img")) {
  image.addEventListener("load", () => image.classList.toggle("sharp", image.naturalWidth < SMALL));
}

const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "neither" };
document.addEventListener("keydown", (event) => {
  if (part("begin").hidden === false) return;
  if (event.key === "Backspace") back();
  else if (KEYS[event.key]) answer(KEYS[event.key]);
  else return;
  event.preventDefault();
});
for (const side of ["left", "right", "neither"]) part(side).addEventListener("click", () => answer(side));
part("start").addEventListener("click", begin);
part("save").addEventListener("click", save);
