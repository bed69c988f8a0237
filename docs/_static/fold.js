// On a phone, fold the parts of long reference pages; a part that a link points to is opened.
(() => {
  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const part = target && target.closest("details");
    if (part) part.open = true;
  };
  addEventListener("DOMContentLoaded", () => {
    if (matchMedia("(max-width: 46em)").matches) {
      document.querySelectorAll("details.fold").forEach((part) => { part.open = false; });
    }
    openTarget();
  });
  addEventListener("hashchange", openTarget);
})();
