"""From a checkout to AWS: package, deploy, check, take down. See docs/deploying.md."""
