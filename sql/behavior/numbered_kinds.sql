-- One row per device type, location and channel that occur together in visits, or in purchases outside any
-- visit (whose channel is `unknown`): its number, in the order of the three.
with kinds as (
    select
        v.device_type,
        v.location,
        v.channel
    from core.visits as v
    union
    select
        a.device_type,
        a.location,
        'unknown' as channel
    from core.activity as a
    where a.event_type = 'purchase'
),

final as (
    select
        k.device_type,
        k.location,
        k.channel,
        row_number() over (order by k.device_type, k.location, k.channel) as kind_number
    from kinds as k
)

select * from final
