"""What goes over the wire, in Coinbase's shapes: from the exchange's records to JSON. Pure.

Written apart from the sidecar's own decoder on purpose: two independent codecs that agree are a
test of both.
"""
