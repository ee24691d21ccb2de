-- One row per visit: numbers of the visit, of its visitor and of its kind (behavior.numbered_kinds), in the
-- order of their names.
with visits as (
    select
        v.session_id,
        v.session_month,
        v.session_date,
        v.visitor_id,
        v.device_type,
        v.location,
        v.channel,
        v.purchases
    from core.visits as v
),

visitors as (
    select
        v.visitor_id,
        row_number() over (order by v.visitor_id) as visitor_number
    from (select distinct s.visitor_id from visits as s) as v
),

final as (
    select
        v.session_id,
        row_number() over (order by v.session_id) as visit_number,
        v.visitor_id,
        n.visitor_number,
        k.kind_number,
        v.session_month,
        v.session_date,
        v.purchases > 0 as is_converted
    from visits as v
    inner join visitors as n on v.visitor_id = n.visitor_id
    inner join behavior.numbered_kinds as k
        on v.device_type = k.device_type and v.location = k.location and v.channel = k.channel
)

select * from final
