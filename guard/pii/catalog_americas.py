# ruff: noqa: E501
"""The catalogue: national numbers of the Americas."""

from __future__ import annotations

from guard.pii.layouts import SEP, SLOT, laid_out, loose
from guard.pii.national import ELEVENTH, FEW, MANY, SCARCE, labelled, national
from guard.pii.rows import Edge, Road, Row

_MBI = "ACDEFGHJKMNPQRTUVWXYacdefghjkmnpqrtuvwxy"
_POSTAL = ("ABCEGHJ-NPRSTVXY", "ABCEGHJ-NPRSTV-Z")

AMERICAS = (
    Row(
        "pii.us.ssn", r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", Road.DIGITS, 0.7, 0.95, check="us_ssn", cue="ssn", unless="not_phone",
        edge=Edge.DIGIT, country="US", longest=11, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.ssn", rf"[0-8][0-9]{{2}}{SEP}{{1,3}}[0-9]{{2}}{SEP}{{1,3}}[0-9]{{4}}", Road.DIGITS, 0.45, 0.9, check="us_ssn", cue="ssn",
        edge=Edge.DIGIT, country="US", alphabet="groups", longest=15, laws=("hipaa:7",),
    ),
    Row(
        "pii.us.ssn", laid_out(9, 9, (3, 2, 4)), Road.DIGITS, 0.0, 0.85, check="us_ssn_said", gate=loose(9, 9), cue="ssn", edge=Edge.DIGIT, country="US",
        alphabet="groups", longest=33, laws=("hipaa:7",),
    ),
    national("us.ssn", "999999999", alone=0.365, check="us_ssn_bare", cue="ssn"),
    Row(
        "pii.us.itin", rf"9[0-9]{{2}}{SEP}{{1,2}}[5-9][0-9]{SEP}{{1,2}}[0-9]{{4}}", Road.DIGITS, 0.6, 0.95, check="us_itin", cue="itin",
        edge=Edge.DIGIT, country="US", alphabet="groups", longest=13, opening="9(?<![0-9]9)", laws=("hipaa:7",),
    ),
    national("us.itin", f"[9][0-9]{{2}}{SLOT}[5-9][0-9]{{5}}", f"[9][0-9]{{2}}[5-9][0-9]{SLOT}[0-9]{{4}}", alone=ELEVENTH, check="us_itin", cue="itin"),
    national("us.itin", "[9][0-9]{2}[5-9][0-9]{5}", alone=MANY, check="us_itin", cue="itin"),
    national("us.aba_routing", "9999-9999-9", "999999999", alone=FEW, check="us_aba_routing"),
    national("us.npi", "[12]999-999-999", alone=FEW, check="us_npi"),
    national("us.mbi", f"[1-9][{_MBI}][0-9{_MBI}]9-[{_MBI}][0-9{_MBI}]9-[{_MBI}][{_MBI}]99", alone=0.6, cued=0.95),
    national("us.ein", "99-9999999", check="us_ein"),
    labelled("us.provider_tax_id", "(?i:provider(?: organization)? (?:tax id|tax number|tin|ein)|billing provider)", "[0-9]{2}-?[0-9]{7}", 10, tight=False),
    national("us.atin", "[9]99-[9]3-9999", check="us.atin"),
    national("us.ptin", "[Pp]-99999999"),
    Row(
        "pii.medical_license", r"[A-HJ-MPRSTUXa-hj-mprstux][A-Za-z9][0-9]{7}", Road.NATION, 0.0, 0.9, check="us_dea", cue="us.dea", country="US", longest=9, ahead=2, laws=("hipaa:11",),
    ),
    national("us.passport", "[A-Z]99999999", alone=MANY, cue="passport"),
    national("us.passport", "999999999", cued=0.6, cue="passport"),
    national(
        "us.driver_license", "[A-Za-z](?:[0-9]{12,14}|[0-9]{6,8})", "[0-9]{7,9}", "[A-Za-z]{2}[0-9]{6}[A-Za-z]", "[A-Za-z]99-99-9999", "99[A-Za-z]{3}[0-9]{5}",
        "A999[-]9999[-]9999", "A999[-]9999[-]9999[-]99", "A999[-]999[-]99[-]999[-]9", "A 999 999 999 999", "A9999[ -]99999[ -]99999", cued=0.7,
    ),
    national("us.claim_number", "clm-[0-9]{6,15}", alone=MANY, cued=0.8),
    labelled("us.claim_number", "(?i:claim)", "(?:CLM-?)?[0-9]{6,15}", 19),
    national("us.prescription_number", "rx-[0-9]{6,12}", alone=MANY, cued=0.8),
    labelled("us.prescription_number", "(?i:rx|prescription)", "(?:RX-?)?[0-9]{6,12}", 15),
    national("us.prior_authorization_number", "pa-[0-9]{6,12}", cued=0.8),
    labelled("us.prior_authorization_number", "(?i:prior auth(?:orization)?|pre-?auth(?:orization)?)", "(?:PA-?)?[0-9]{6,12}", 15, tight=False),
    national("us.referral_number", "ref-[0-9]{6,12}", "inf-[0-9]{6,12}", cued=0.8),
    labelled("us.referral_number", "(?i:referral)", "(?:(?:REF|INF)-?)?[0-9]{6,12}", 16),
    national("us.health_insurance_member_id", "[A-Z]{1,4}-[0-9]{6,12}", cued=0.7),
    national("ca.sin", "[1-79]99-999-999", alone=ELEVENTH, check="ca_sin"),
    national("ca.bn", "99999 9999 [Rr][CcMmPpTtRrZz] 9999", alone=SCARCE, check="ca_bn"),
    national("ca.bn", "99999 9999", check="ca_bn"),
    national("ca.bc_phn", "9999 999 999", check="ca.bc_phn"),
    Row(
        "pii.ca.postal_code", rf"[{_POSTAL[0]}][0-9][{_POSTAL[1]}] [0-9][{_POSTAL[1]}][0-9]", Road.WHOLE, MANY, 0.7, cue="postcode",
        country="CA", alphabet="groups", longest=7,
    ),
    national("br.cpf", "999.999.999-99", "999999999[-]99", alone=SCARCE, check="br_cpf"),
    national("br.cnpj", "99.999.999/9999-99", "99999999[/]9999[-]99", alone=SCARCE, check="br.cnpj"),
    Row(
        "pii.br.cnpj", r"[A-Z0-9]{2}\.?[A-Z0-9]{3}\.?[A-Z0-9]{3}/?[A-Z0-9]{4}-?[0-9]{2}", Road.WHOLE, SCARCE, 0.85, check="br.cnpj", cue="br.cnpj", country="BR",
        longest=18,
    ),
    national("ar.cuit", "99-99999999-9", alone=FEW, check="ar_cuit"),
    national("ar.dni", "99.999.999", check="ar.dni", cued=0.7),
    national("ar.cbu", "99999999-99999999999999", check="ar.cbu"),
    national("cl.rut", "99.999.999-[0-9Kk]", "9.999.999-[0-9Kk]", "[0-9]{7,8}[-][0-9Kk]", check="cl_rut"),
    national("cl.rut", "9{1,2}[.]999[.]999-[0-9Kk]", alone=SCARCE, check="cl_rut", cue="cl.rut"),
    national("co.nit", "999.999.999-9", "9999999999", "999999999[-]9", check="co.nit"),
    national("cr.cpf", "9-9999-9999", check="cr.cpf"),
    national("cr.cpj", "9-999-999999", check="cr.cpj"),
    national("cr.cr", "1[0-9]{10,11}", check="cr.cr"),
    national("cu.ni", "99[01]99999999", check="cu.ni"),
    national("do.cedula", "999[-]9999999[-]9", alone=ELEVENTH, check="do.cedula"),
    national("do.cedula", "999-9999999-9", check="do.cedula"),
    national("do.rnc", "9-99-99999-9", check="do.rnc"),
    national("do.ncf", "[AaPpBbEe][0-9]{10,18}", check="do.ncf"),
    national("ec.ci", "999999999-9", check="ec.ci"),
    national("ec.ruc", "9999999999999", check="ec.ruc"),
    national("gt.nit", "[0-9]{2,11}-[0-9Kk]", check="gt.nit"),
    national("mx.curp", "AAAA99[01]9[0-3]9[HMXhmx]AAAAAX9", alone=0.7, cued=0.95, check="mx.curp"),
    national("mx.rfc", "[A-Za-z&]{3,4}[-]?99[01]9[0-3]9[-]?XX[0-9Aa]", alone=0.5, cued=0.9, check="mx.rfc"),
    national("pe.cui", "99999999-X", check="pe.cui"),
    national("pe.ruc", "(?:10|15|16|17|20)999999999", check="pe.ruc"),
    national("py.ruc", "[0-9]{5,8}-9", check="py.ruc"),
    national("sv.nit", "9999-[0-3]9[01]999-999-9", alone=FEW, check="sv.nit"),
    national("uy.rut", "99-999999-999-9", check="uy.rut"),
    national("ve.rif", "[VEJPGvejpg]-99999999-9", alone=ELEVENTH, check="ve.rif"),
)  # fmt: skip
