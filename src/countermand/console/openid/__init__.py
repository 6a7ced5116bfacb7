"""Log-in by OpenID Connect: somebody else says who a person is. Nothing here is loaded or called before it is used."""
