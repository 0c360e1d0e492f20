"""Exchange Web Services of the mock: the same mailboxes as ActiveSync, over SOAP, with the three kinds of subscription.

Needs lxml: ``pip install 'emailplus[mock]'``. It is loaded with the first request for EWS. `service.Ews` holds the
switches (`exchange.ews`); `endpoint.handle` carries out one request. Written from the schemas and the specifications,
apart from the client's EWS.
"""
