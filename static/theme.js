// Before the first paint: the theme that was chosen here earlier, or that of the system.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch { /* Without storage the system decides. */ }
