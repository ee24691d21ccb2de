-- One row per visit and order of which a sales line belongs to it: what was bought there, and by whom. Almost
-- every order belongs to one visit; one whose lines were bought in two visits has a row, with its part, in
-- each. Orders outside any visit are not in it, nor those of which only the tracker knows. Money is before
-- returns.
with purchases as (
    select
        a.session_id,
        a.order_id,
        a.occurred_at,
        a.quantity,
        a.value
    from core.activity as a
    where a.event_type = 'purchase' and a.sale_id is not null and a.session_id is not null
),

orders as (
    select
        p.session_id,
        p.order_id,
        min(p.occurred_at) as purchased_at,
        count(*) as lines,
        sum(p.quantity) as units,
        sum(p.value) as net_sales
    from purchases as p
    group by p.session_id, p.order_id
),

visits as (
    select
        v.session_id,
        v.session_date,
        v.visitor_id,
        v.customer_id,
        v.device_type,
        v.location,
        v.channel
    from core.visits as v
),

final as (
    select
        o.session_id,
        o.order_id,
        v.session_date,
        v.visitor_id,
        v.customer_id,
        v.device_type,
        v.location,
        v.channel,
        o.purchased_at,
        o.lines,
        o.units,
        o.net_sales
    from orders as o
    inner join visits as v on o.session_id = v.session_id
)

select * from final
