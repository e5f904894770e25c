"""Settings that charon knows over vici, as swanctl.conf(5) lists them: others are refused."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONNECTION = _words(
    """version local_addrs remote_addrs local_port remote_port proposals vips aggressive pull dscp encap mobike dpd_delay
    dpd_timeout fragmentation childless send_certreq send_cert ocsp ppk_id ppk_required keyingtries unique reauth_time
    rekey_time over_time rand_time pools if_id_in if_id_out mediation mediated_by mediation_peer"""
)
AUTHENTICATION = _words(
    """round certs pubkeys auth id eap_id aaa_id xauth_id ca_id groups cert_policy cacerts revocation"""
)
CHILD = _words(
    """ah_proposals esp_proposals sha256_96 local_ts remote_ts rekey_time life_time rand_time rekey_bytes life_bytes rand_bytes
    rekey_packets life_packets rand_packets updown hostaccess mode policies policies_fwd_out dpd_action ipcomp inactivity reqid
    priority interface mark_in mark_in_sa mark_out set_mark_in set_mark_out if_id_in if_id_out label label_mode tfc_padding
    replay_window hw_offload copy_df copy_ecn copy_dscp start_action close_action"""
)
POOL = _words(
    """addrs dns nbns dhcp netmask server subnet split_include split_exclude internal_subnet internal_netmask p_cscf"""
)
EAP_SECRET = frozenset({"secret"})
"""Beside ``id``, ``id2``, ...: whose it is."""
LISTS = _words(
    """local_addrs remote_addrs proposals esp_proposals ah_proposals local_ts remote_ts vips pools groups cert_policy dns nbns
    dhcp netmask server subnet split_include split_exclude internal_subnet internal_netmask p_cscf"""
)
"""Settings that vici wants as lists."""
FILES = {"certs": "x509", "cacerts": "x509ca"}
"""Settings that name files of certificates, each with the directory where these are."""
