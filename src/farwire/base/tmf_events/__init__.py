"""Events of the TM Forum Open APIs on their way to listeners, and the topics of TMF688 (see README.md)."""
