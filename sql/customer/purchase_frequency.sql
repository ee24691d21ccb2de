-- Who buys often, who does not, and who is due, one row per customer with an order.
-- `overdue_ratio` is the days since the last order in usual intervals of this customer: at 1 the next order
-- is due, at 2 it is one interval late; NULL with a single day of orders. A customer `is_frequent` whose
-- class is weekly, fortnightly or monthly and who ordered within three usual intervals.
with intervals as (
    select
        i.customer_id,
        i.orders,
        i.first_order_date,
        i.last_order_date,
        i.intervals,
        i.median_days_between_orders,
        i.mean_days_between_orders,
        i.frequency_class,
        i.has_frequent_class,
        i.next_order_due_date
    from customer.order_intervals as i
),

customers as (
    select
        m.customer_id,
        m.declared_purchase_frequency
    from core.customers as m
),

final as (
    select
        i.customer_id,
        i.orders,
        i.median_days_between_orders,
        i.mean_days_between_orders,
        i.frequency_class,
        m.declared_purchase_frequency,
        coalesce(
            i.has_frequent_class and c.as_of_date - i.last_order_date <= 3 * i.median_days_between_orders,
            false
        ) as is_frequent,
        i.first_order_date,
        i.last_order_date,
        c.as_of_date - i.last_order_date as days_since_last_order,
        i.next_order_due_date,
        (c.as_of_date - i.last_order_date)::double precision / nullif(i.median_days_between_orders, 0)
            as overdue_ratio
    from intervals as i
    cross join core.clock as c
    left join customers as m on i.customer_id = m.customer_id
)

select * from final
order by customer_id
