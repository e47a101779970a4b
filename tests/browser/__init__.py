"""The review app as people meet it: the real command, a real project, Debian's Chromium (make test-browser)."""
