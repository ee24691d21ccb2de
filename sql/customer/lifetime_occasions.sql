-- One row per customer and local day on which the customer bought: the purchase occasions that the lifetime models
-- count. Several orders of a day are one occasion. `occasion_value` is what was paid for the goods of these orders,
-- less discounts; what came back later does not change it. Days with a value of 0 count, days with returns alone do
-- not. Guests are left out.
with days as (
    select
        o.customer_id,
        o.order_date as occasion_date,
        count(*) as orders,
        sum(o.order_value) as occasion_value
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id, o.order_date
),

final as (
    select
        d.customer_id,
        d.occasion_date,
        row_number() over (partition by d.customer_id order by d.occasion_date) as occasion_number,
        min(d.occasion_date) over (partition by d.customer_id) as first_occasion_date,
        d.orders,
        d.occasion_value
    from days as d
)

select * from final
