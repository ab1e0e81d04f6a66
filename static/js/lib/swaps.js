export function dropTasks(tasks, isUnwanted) {
  const wanted = tasks.filter((task) => !isUnwanted(task));
  tasks.length = 0; // htmx goes on to use this array
  tasks.push(...wanted);
}
