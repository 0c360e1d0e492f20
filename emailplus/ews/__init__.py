"""Exchange Web Services: what ActiveSync does not give, where a server still has them.

Attachments of events below ActiveSync 16.0, and subscriptions (push, pull, streaming). Nothing else needs EWS, and a
server without it loses nothing else: Exchange Online refuses EWS unless an administrator allows the application, and
switches it off for good on 1 April 2027.

Needs exchangelib: ``pip install 'emailplus[ews]'``; it is loaded with the first request. `client` and `transport` know
it, `notifications` reads what a server posts, `listening` keeps a subscription alive, `matching` and `lifetime` decide.
"""
