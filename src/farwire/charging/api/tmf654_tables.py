"""TMF654 as tables of facts: what the document v4.0.0 says of each resource."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf import Descriptor, Operation, attributes, lifecycle

READ: Final = frozenset({Operation.LIST, Operation.GET})

BUCKET_STATES: Final = lifecycle(
    "status",
    """
    active    -> suspended, expired
    suspended -> active, expired
    expired   ->
    """,
)

BALANCE_STATES: Final = lifecycle(
    "status",
    """
    created   -> completed, failed, cancelled
    completed -> cancelled
    failed    ->
    cancelled ->
    """,
)
"""What is completed may be taken back."""

BUCKET: Final = Descriptor(
    type="Bucket",
    path="bucket",
    operations=READ,
    lifecycle=BUCKET_STATES,
    events=(),
    own=attributes(
        """
        confirmationDate   dateTime
        description        string
        isShared           boolean
        logicalResource    LogicalResourceRef[]
        name               string
        partyAccount       PartyAccountRef ->charging/PartyAccount
        product            ProductRef[]
        relatedParty       RelatedPartyRefOrPartyRoleRef[]
        remainingValue     Quantity
        remainingValueName string
        requestedDate      dateTime
        reservedValue      Quantity
        status             string
        usageType          string
        validFor           TimePeriod
        """
    ),
)

TOPUP_BALANCE: Final = Descriptor(
    type="TopupBalance",
    path="topupBalance",
    lifecycle=BALANCE_STATES,
    events=("Create", "Cancel", "Failure"),
    own=attributes(
        """
        amount           Quantity                        required
        balanceTopup     RelatedTopupBalance
        bucket           BucketRef                       required
        channel          ChannelRef
        confirmationDate dateTime
        description      string
        isAutoTopup      boolean
        logicalResource  LogicalResourceRef[]
        numberOfPeriods  integer
        partyAccount     PartyAccountRef                 required ->charging/PartyAccount
        paymentMethod    PaymentMethodRef
        product          ProductRef[]
        reason           string
        recurringPeriod  string
        relatedParty     RelatedPartyRefOrPartyRoleRef[]
        requestedDate    dateTime
        requestor        RelatedPartyRefOrPartyRoleRef
        status           string
        usageType        string                          required
        validFor         TimePeriod
        voucher          string
        """
    ),
)

ADJUST_BALANCE: Final = Descriptor(
    type="AdjustBalance",
    path="adjustBalance",
    lifecycle=BALANCE_STATES,
    events=("Create", "Cancel", "Failure"),
    own=attributes(
        """
        adjustType       string
        amount           Quantity                        required
        bucket           BucketRef                       required
        channel          ChannelRef
        confirmationDate dateTime
        description      string
        logicalResource  LogicalResourceRef[]
        partyAccount     PartyAccountRef ->charging/PartyAccount
        product          ProductRef[]
        reason           string
        relatedParty     RelatedPartyRefOrPartyRoleRef[]
        requestedDate    dateTime
        requestor        RelatedPartyRefOrPartyRoleRef
        reserveBalance   ReserveBalanceRef
        status           string
        usageType        string                          required
        validFor         TimePeriod
        """
    ),
)

TRANSFER_BALANCE: Final = Descriptor(
    type="TransferBalance",
    path="transferBalance",
    lifecycle=BALANCE_STATES,
    events=("Create", "Cancel", "Failure"),
    own=attributes(
        """
        amount                  Quantity                        required
        bucket                  BucketRef                       required
        channel                 ChannelRef                      required
        confirmationDate        dateTime                        fixed
        costOwner               string
        description             string                          fixed
        logicalResource         LogicalResourceRef[]            required
        partyAccount            PartyAccountRef                 fixed ->charging/PartyAccount
        product                 ProductRef[]
        reason                  string                          required
        receiver                RelatedPartyRefOrPartyRoleRef
        receiverBucket          BucketRef                       required
        receiverBucketUsageType string                          required
        receiverLogicalResource LogicalResourceRef              required
        receiverProduct         ProductRef
        relatedParty            RelatedPartyRefOrPartyRoleRef[] fixed
        requestedDate           dateTime                        fixed
        requestor               RelatedPartyRefOrPartyRoleRef
        status                  string
        transferCost            Money
        usageType               string                          required
        validFor                TimePeriod                      fixed
        """
    ),
)

RESERVE_BALANCE: Final = Descriptor(
    type="ReserveBalance",
    path="reserveBalance",
    lifecycle=BALANCE_STATES,
    events=("Create", "Cancel", "Failure"),
    own=attributes(
        """
        amount           Quantity
        bucket           BucketRef                       required
        channel          ChannelRef
        confirmationDate dateTime
        description      string
        logicalResource  LogicalResourceRef[]
        partyAccount     PartyAccountRef                 required ->charging/PartyAccount
        product          ProductRef[]
        reason           string
        relatedParty     RelatedPartyRefOrPartyRoleRef[]
        requestedDate    dateTime
        requestor        RelatedPartyRefOrPartyRoleRef
        status           string
        usageType        string                          required
        validFor         TimePeriod
        """
    ),
)

ACCUMULATED_BALANCE: Final = Descriptor(
    type="AccumulatedBalance",
    path="accumulatedBalance",
    operations=READ,
    events=(),
    own=attributes(
        """
        bucket          BucketRef[]
        description     string
        logicalResource LogicalResourceRef
        name            string
        partyAccount    PartyAccountRef ->charging/PartyAccount
        product         ProductRef[]
        relatedParty    RelatedPartyRefOrPartyRoleRef[]
        totalBalance    Quantity
        """
    ),
)

BALANCE_ACTION_HISTORY: Final = Descriptor(
    type="BalanceActionHistory",
    path="balanceActionHistory",
    operations=READ,
    events=(),
    own=attributes(
        """
        adjustType              string
        amount                  Quantity
        balanceTopup            RelatedTopupBalance
        bucket                  BucketRef
        channel                 ChannelRef
        confirmationDate        dateTime
        costOwner               string
        description             string
        isAutoTopup             boolean
        logicalResource         LogicalResourceRef[]
        numberOfPeriods         integer
        partyAccount            PartyAccountRef ->charging/PartyAccount
        paymentMethod           PaymentMethodRef
        product                 ProductRef[]
        reason                  string
        receiver                RelatedPartyRefOrPartyRoleRef
        receiverBucket          BucketRef
        receiverBucketUsageType string
        receiverLogicalResource LogicalResourceRef
        receiverProduct         ProductRef
        recurringPeriod         string
        relatedParty            RelatedPartyRefOrPartyRoleRef[]
        requestedDate           dateTime
        requestor               RelatedPartyRefOrPartyRoleRef
        status                  string
        transferCost            Money
        usageType               string
        validFor                TimePeriod
        voucher                 string
        """
    ),
)

ALL: Final = (
    BUCKET,
    TOPUP_BALANCE,
    ADJUST_BALANCE,
    TRANSFER_BALANCE,
    RESERVE_BALANCE,
    ACCUMULATED_BALANCE,
    BALANCE_ACTION_HISTORY,
)
