"""The Unix sockets on which bots ask and operators command."""
