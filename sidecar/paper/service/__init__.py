"""How the paper exchange is reached: keys, tokens, certificates, rate limits, REST, websockets."""
