// fetch() does not report upload progress.
export function upload(path, request, onProgress) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(request.method, path);
    for (const [name, value] of Object.entries(request.headers)) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    xhr.addEventListener("load", () => resolve(responseOf(xhr)));
    xhr.addEventListener("error", () => reject(new TypeError("The upload was cut off.")));
    xhr.addEventListener("abort", () => reject(new DOMException("The upload took too long.", "AbortError")));
    request.signal.addEventListener("abort", () => xhr.abort());
    xhr.send(request.body);
  });
}

function responseOf(xhr) {
  const headers = xhr
    .getAllResponseHeaders()
    .trim()
    .split("\r\n")
    .map((line) => line.split(/:\s*(.*)/s).slice(0, 2));
  const response = new Response(xhr.responseText, { status: xhr.status, headers });
  // hx-csp trusts the attributes of an answer by the origin of its address.
  Object.defineProperty(response, "url", { value: xhr.responseURL });
  return response;
}
