-- Which carts were abandoned yesterday, and what are they worth?
-- One row per abandoned cart, the most valuable first. Yesterday is the last local day of the data of which
-- all carts can be judged: the visitor has had core.parameters.cart_grace_hours since the end of the visit to
-- buy after all. `value` is what was left at the price of the cart, or else at the list price now; NULL where
-- neither is known. `may_be_contacted` is true only for customers who agreed to marketing; visitors without a
-- customer cannot be reached.
with clock as (
    select
        p.timezone,
        (
            ((c.as_of_date + 1)::timestamp at time zone p.timezone - p.cart_grace_hours * interval '1 hour')
            at time zone p.timezone
        )::date - 1 as day,
        c.currency
    from core.clock as c
    cross join core.parameters as p
),

carts as (
    select
        a.session_id,
        a.customer_id,
        a.device_type,
        a.location,
        a.product_id,
        a.product_name,
        a.ended_at,
        a.quantity,
        a.value,
        a.is_recovered
    from behavior.abandoned_carts as a
),

profiles as (
    select
        p.customer_id,
        p.rfm_segment,
        p.marketing_consent
    from customer.profile as p
),

sessions as (
    select
        k.day,
        a.session_id,
        a.customer_id,
        a.device_type,
        a.location,
        min(a.ended_at) as ended_at,
        string_agg(a.product_name, ', ' order by a.product_name, a.product_id) as products,
        sum(a.quantity) as quantity,
        sum(a.value) as value,
        bool_or(a.is_recovered) as is_recovered,
        k.currency
    from carts as a
    inner join clock as k on (a.ended_at at time zone k.timezone)::date = k.day
    group by k.day, a.session_id, a.customer_id, a.device_type, a.location, k.currency
),

final as (
    select
        row_number() over (order by s.value desc nulls last, s.session_id) as rank,
        s.day,
        s.session_id,
        s.customer_id,
        s.ended_at,
        s.products,
        s.quantity,
        s.value,
        p.rfm_segment,
        s.device_type,
        s.location,
        coalesce(p.marketing_consent, false) as may_be_contacted,
        s.is_recovered,
        s.currency
    from sessions as s
    left join profiles as p on s.customer_id = p.customer_id
)

select * from final
order by rank
