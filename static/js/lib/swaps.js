// Takes out of an answer, in `htmx:before:swap`, what the page does not want to be swapped in.
export function dropTasks(tasks, isUnwanted) {
  const wanted = tasks.filter((task) => !isUnwanted(task));
  tasks.length = 0; // htmx goes on with this very array
  tasks.push(...wanted);
}
