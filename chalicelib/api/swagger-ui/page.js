// The documentation page: Swagger UI, on the OpenAPI document that lies beside it.
"use strict";

// Swagger UI has a dark theme, and leaves it to the page when to show it.
const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () =>
  document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
darkScheme.addEventListener("change", followScheme);
followScheme();

SwaggerUIBundle({
  // Absolute, so that the document's relative server is resolved against it below a stage, too.
  url: document.getElementById("document").href,
  domNode: document.getElementById("swagger-ui"),
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // A token in the browser's storage would outlive the tab that it was typed into.
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
