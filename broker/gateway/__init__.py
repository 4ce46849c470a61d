"""HTTP: certificate to agency, errors to problem documents, thin routes."""
